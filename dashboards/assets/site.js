// The few things that a page must do by itself: asking early, taking the place of its still, its title, its theme, saving
// charts, copying, and noticing silence.
(function () {
  "use strict";
  // Dash asks for these two when all scripts have run: asked for now, they are here by then, the page in the layout.
  const base = new URL("..", document.currentScript.src).pathname, plain = window.fetch;
  const early = new Map([["_dash-layout", `?page=${encodeURIComponent(location.pathname)}`], ["_dash-dependencies", ""]].map(
    ([name, query]) => [base + name, plain(base + name + query)]));
  window.fetch = (asked, how) => {
    const answer = early.get(asked);
    early.delete(asked);
    return answer || plain(asked, how);
  };

  const root = document.documentElement;
  const stored = (() => { try { return localStorage.getItem("nas-theme"); } catch { return null; } })();
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const apply = () => { root.dataset.agThemeMode = dark() ? "dark" : "light"; };
  if (stored) root.dataset.theme = stored;
  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    site: { title: (text) => { document.title = text || "nas"; return text; } },
  });

  function save(button) {
    const host = document.getElementById(button.dataset.chart);
    const plot = host && host.querySelector(".js-plotly-plot");
    if (!plot || !window.Plotly) return;
    const layout = Object.assign({}, plot.layout, { paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff" });
    window.Plotly.downloadImage({ data: plot.data, layout: layout }, {
      format: button.dataset.save, filename: button.dataset.chart,
      width: Math.max(plot.clientWidth, 700), height: Math.max(plot.clientHeight, 400), scale: button.dataset.save === "png" ? 2 : 1,
    });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.save) save(button);
    if (button.dataset.themeSwitch) {
      root.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("nas-theme", root.dataset.theme); } catch { /* a private window keeps nothing */ }
      apply();
    }
    if (button.dataset.copy) {
      const text = document.getElementById(button.dataset.copy).textContent;
      navigator.clipboard.writeText(text).then(() => { button.textContent = "Copied"; setTimeout(() => { button.textContent = "Copy"; }, 1500); });
    }
  });

  // Dash calls its radio buttons and checkboxes options of a listbox, which they are not, and leaves sliders unnamed.
  function tidy() {
    for (const list of document.querySelectorAll(".choice[role=listbox]")) {
      list.setAttribute("role", list.querySelector("input[type=radio]") ? "radiogroup" : "group");
      const label = list.closest(".control")?.querySelector(".control-label")?.id;
      if (label) list.setAttribute("aria-labelledby", label); else list.setAttribute("aria-label", "States");
    }
    for (const option of document.querySelectorAll(".choice label[role=option]")) {
      for (const name of ["role", "aria-selected"]) option.removeAttribute(name);
    }
    for (const thumb of document.querySelectorAll(".control [role=slider]:not([aria-label])")) {
      thumb.setAttribute("aria-label", thumb.closest(".control").querySelector(".control-label").textContent);
    }
  }
  new MutationObserver(tidy).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["role", "aria-selected"] });

  // The document came with its page as plain markup: it goes when the real one is drawn, or after a while of waiting for a chart.
  let waiting = 0;
  const drawn = new MutationObserver(() => {
    const plain = document.getElementById("still"), real = document.querySelector("#react-entry-point .site");
    if (!plain || !real) return;
    const settle = () => { plain.remove(); drawn.disconnect(); };
    if (!plain.querySelector(".sketch") || real.querySelector(".js-plotly-plot .main-svg")) settle();
    else waiting ||= setTimeout(settle, 5000);
  });
  drawn.observe(document, { subtree: true, childList: true });

  // Two pages need scripts that only a document of their own brings: whoever goes back to one from another gets it whole.
  window.addEventListener("popstate", () => {
    const lacks = (/\/trials$/.test(location.pathname) && !window.dash_ag_grid)
      || (/\/points$/.test(location.pathname) && !document.querySelector("script[src*=whole-plotly]"));
    if (lacks) location.reload();
  });

  let beat = null, since = Date.now();
  setInterval(() => {
    const live = document.getElementById("live");
    if (!live) return;
    if (live.dataset.beat !== beat) { beat = live.dataset.beat; since = Date.now(); }
    root.classList.toggle("silent", !document.hidden && Date.now() - since > 8000);
  }, 1000);
  // Nobody looks at a hidden page: it asks for nothing until it is seen again.
  document.addEventListener("visibilitychange", () => {
    since = Date.now();
    if (document.getElementById("live")) window.dash_clientside.set_props("tick", { disabled: document.hidden });
  });
})();
