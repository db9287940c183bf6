"""How measured numbers grow: rules, laws, fits with uncertainty, frontiers, families and committees."""

from scaling_rules.committees import Committee, Voter, committee_frontier
from scaling_rules.errors import ScalingError
from scaling_rules.family import Member, Ramp, Regularisation, family, member_at
from scaling_rules.fidelity import FidelityCheck, FidelityPoint, Trust, trust
from scaling_rules.frontier import Distribution, distribution, envelope, hypervolume, pareto
from scaling_rules.law import Law
from scaling_rules.law_fit import Estimate, LawComparison, LawFit, compare_laws, fit_law, repeat_weights
from scaling_rules.nearest_network import NUDGE, BuiltOf, CostOf
from scaling_rules.next_points import Proposal, mixture_candidates, next_points
from scaling_rules.rank_correlation import RankCorrelation, rank_correlation
from scaling_rules.rule import Multipliers, PowerRule, ScalingRule, TableRule, named_rule, shared_rule
from scaling_rules.rule_fit import Comparison, RuleFit
from scaling_rules.rule_methods import fit_rule, grid_candidates
from scaling_rules.scaled_points import ScaledPoint

__all__ = [
    "NUDGE",
    "BuiltOf",
    "Committee",
    "Comparison",
    "CostOf",
    "Distribution",
    "Estimate",
    "FidelityCheck",
    "FidelityPoint",
    "Law",
    "LawComparison",
    "LawFit",
    "Member",
    "Multipliers",
    "PowerRule",
    "Proposal",
    "Ramp",
    "RankCorrelation",
    "Regularisation",
    "RuleFit",
    "ScaledPoint",
    "ScalingError",
    "ScalingRule",
    "TableRule",
    "Trust",
    "Voter",
    "committee_frontier",
    "compare_laws",
    "distribution",
    "envelope",
    "family",
    "fit_law",
    "fit_rule",
    "grid_candidates",
    "hypervolume",
    "member_at",
    "mixture_candidates",
    "named_rule",
    "next_points",
    "pareto",
    "rank_correlation",
    "repeat_weights",
    "shared_rule",
    "trust",
]
