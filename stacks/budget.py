"""The AWS budget: a message if the forecast for the month exceeds the budget of the deployment."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from constructs import Construct

from sustainability.deployment.schema import Deployment

REGION = "us-east-1"
"""A budget belongs to an AWS account, not to a Region; CloudFormation lacks it in some Regions."""


class BudgetStack(cdk.Stack):
    """A monthly budget for all resources with the tag of the deployment; exists if one is set.

    The budget sees costs only after the tag ``deployment`` is activated as a cost allocation tag in
    the account that pays. ``monitoring.monthly_budget_usd`` sets the budget.
    """

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment) -> None:
        super().__init__(
            scope,
            id_,
            env=cdk.Environment(region=REGION),
            description=f"Tells when the month will cost too much ({deployment.name})",
            # It has no assets, so its Region needs no bootstrap.
            synthesizer=cdk.BootstraplessSynthesizer(),
        )
        monitoring = deployment.monitoring
        assert monitoring.monthly_budget_usd is not None
        assert monitoring.email is not None
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=f"{deployment.name}-monthly",
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(
                    amount=monitoring.monthly_budget_usd, unit="USD"
                ),
                cost_filters={"TagKeyValue": [f"user:deployment${deployment.name}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type="FORECASTED",
                        comparison_operator="GREATER_THAN",
                        threshold=100,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(
                            subscription_type="EMAIL", address=monitoring.email
                        )
                    ],
                )
            ],
        )
