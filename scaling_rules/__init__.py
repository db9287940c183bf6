"""How measured numbers grow: rules, laws, fits with uncertainty, frontiers, families and committees."""
