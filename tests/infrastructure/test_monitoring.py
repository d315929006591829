"""The monitoring stack in every mode: what it watches exists, tells, and is explained."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from cfn_sustainability.engine import judge
from cfn_sustainability.practices import load_practices
from cfn_sustainability.program import link
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Template as RuleTemplate
from local.metric_math import Series, evaluate
from operations.measures import measures
from operations.settings import Sources
from stacks.instruments.burn_rates import BURN_RATES
from stacks.instruments.metrics import ACCELERATOR, known, metric
from sustainability.deployment.schema import Availability, Deployment, Domain
from sustainability.facts.lookup import Facts
from sustainability.facts.metrics import UnknownMetricError, documented_metrics
from sustainability.plan.serving import plan_serving
from sustainability.plan.watching import Watching
from tests.infrastructure.conftest import DEPLOYMENTS, FOLDER, ROOT
from tests.infrastructure.reading import Template, Templates, flat

Synthesize = Callable[[Deployment], Templates]

VARIANTS = {
    "prod, best effort": ("prod", Availability.BEST_EFFORT),
    **{
        f"{name}, standard": (name, Availability.STANDARD)
        for name in ("dev", "local", "examples/bridged", "examples/async", "examples/batch")
    },
}
"""Deployments that are also built with another service level, and so with other watching."""
OWN_NAMESPACE = "SustainableGenerativeAI"
HOSTS = "/aws/sagemaker/Endpoints"


class Use(NamedTuple):
    """A statistic of a metric that somebody asks for."""

    namespace: str
    name: str
    dimensions: frozenset[str]
    statistic: str
    unit: str | None


@pytest.fixture(scope="module")
def deployments() -> dict[str, Deployment]:
    return {name: Deployment.load(FOLDER / f"{name}.yaml") for name in DEPLOYMENTS}


@pytest.fixture(scope="module")
def all_modes(
    synthesize: Synthesize,
    deployments: dict[str, Deployment],
    templates_of: Callable[[str], Templates],
) -> dict[str, tuple[Template, ...]]:
    """Return the templates of every deployment of ours, and of those on too large machines."""
    large = deployments["examples/realtime"]
    inference = large.inference.model_copy(update={"instance_types": ("ml.inf2.8xlarge",)})
    templates = {name: tuple(templates_of(name).values()) for name in deployments}
    large = large.model_copy(update={"inference": inference})
    domain = Domain(instance_type="m7g.large.search")
    knowledge = deployments["prod"].knowledge.model_copy(update={"domain": domain})
    nodes = deployments["prod"].model_copy(update={"knowledge": knowledge})
    others = {"large": large, "large nodes": nodes} | {
        variant: _with(deployments[name], availability)
        for variant, (name, availability) in VARIANTS.items()
    }
    return templates | {name: tuple(synthesize(other).values()) for name, other in others.items()}


def _with(deployment: Deployment, availability: Availability) -> Deployment:
    level = deployment.service_level.model_copy(update={"availability": availability})
    return deployment.model_copy(update={"service_level": level})


def resources(
    templates: tuple[Template, ...], type_: str
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Yield the properties of each resource of a type, and what its name consists of.

    Of one without a name, it is the ends of its logical id, the longest last.
    """
    for template in templates:
        for logical_id, resource in template["Resources"].items():
            if resource["Type"] == type_:
                properties = resource["Properties"]
                words = re.findall(r"[A-Z][a-z0-9]*", logical_id[:-8])
                ends = ["".join(words[start:]) for start in reversed(range(len(words)))]
                yield properties.get("AlarmName", "").split("-")[1:] or ends, properties


def alarms(templates: tuple[Template, ...]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    yield from resources(templates, "AWS::CloudWatch::Alarm")
    yield from resources(templates, "AWS::CloudWatch::CompositeAlarm")


def dashboards(templates: tuple[Template, ...]) -> dict[str, list[dict[str, Any]]]:
    """Return the widgets of each dashboard by its name."""
    return {
        properties["DashboardName"]: json.loads(flat(properties["DashboardBody"]))["widgets"]
        for _, properties in resources(templates, "AWS::CloudWatch::Dashboard")
    }


def uses(templates: tuple[Template, ...]) -> Iterator[Use]:
    for _, alarm in resources(templates, "AWS::CloudWatch::Alarm"):
        yield from _of_alarm(alarm)
    for _, policy in resources(templates, "AWS::ApplicationAutoScaling::ScalingPolicy"):
        tracking = policy.get("TargetTrackingScalingPolicyConfiguration", {})
        if custom := tracking.get("CustomizedMetricSpecification"):
            yield _use(custom, custom["Statistic"], custom.get("Unit"))
    for widgets in dashboards(templates).values():
        for widget in widgets:
            for entry in widget["properties"].get("metrics", ()):
                yield from _of_graph(entry)


def _of_alarm(alarm: dict[str, Any]) -> Iterator[Use]:
    for query in alarm.get("Metrics", ()):
        if stat := query.get("MetricStat"):
            yield _use(stat["Metric"], stat["Stat"], stat.get("Unit"))
    if "MetricName" in alarm:
        statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        yield _use(alarm, statistic, alarm.get("Unit"))


def _use(of: dict[str, Any], statistic: str, unit: str | None) -> Use:
    names = frozenset(dimension["Name"] for dimension in of.get("Dimensions", ()))
    return Use(of["Namespace"], of["MetricName"], names, statistic, unit)


def _of_graph(entry: list[Any]) -> Iterator[Use]:
    *words, options = entry if isinstance(entry[-1], dict) else (*entry, {})
    if words:
        assert not {".", "..."} & set(words)
        namespace, name, *dimensions = words
        names = frozenset(dimensions[::2])
        yield Use(namespace, name, names, options.get("stat", "Average"), options.get("unit"))


def of_the_hourly_record() -> Iterator[Use]:
    names = {"answer": "a", "ingest": "i", "account": "1", "endpoint": "e", "variant": "v"}
    sends = {"endpoint_sleeps": True, "quotes": True, "small": True, "quality": True}
    for store in ({"group": "g", "group_id": "i"}, {"domain": "d", "nodes": 3}):
        for each in measures("d", Sources(**names, **store, **sends)).values():
            dimensions = frozenset(each.dimensions)
            yield Use(each.namespace, each.metric, dimensions, each.statistic, None)


def test_every_metric_that_is_asked_for_is_published_and_no_other_is_listed(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    found = {use for templates in all_modes.values() for use in uses(templates)}
    found |= set(of_the_hourly_record())
    for use in found:
        metric_ = known(use.namespace, use.name)
        metric_.require(dimensions=use.dimensions, statistic=use.statistic)
        assert use.unit in (None, metric_.unit)
    listed = {(each.namespace, each.name) for each in documented_metrics()}
    of_gpus = {(HOSTS, "GPUUtilization"), (HOSTS, "GPUMemoryUtilization")}
    assert listed - {(use.namespace, use.name) for use in found} == of_gpus


@pytest.mark.parametrize(
    ("name", "dimensions", "statistic", "fault"),
    [
        ("ModelLatencyy", ("EndpointName", "VariantName"), "p95", "namespace: .*ModelLatency"),
        ("ModelLatency", ("EndpointName",), "p95", "dimensions are EndpointName, VariantName or"),
        ("NoCapacityInvocationFailures", ("InferenceComponentName",), "p95", "are Sum, not p95"),
    ],
)
def test_a_metric_that_nobody_publishes_fails_the_synth(
    name: str, dimensions: tuple[str, ...], statistic: str, fault: str
) -> None:
    with pytest.raises(UnknownMetricError, match=fault):
        metric("AWS/SageMaker", name, dict.fromkeys(dimensions, "x"), statistic)


def test_our_own_metrics_stand_in_the_code_that_writes_them() -> None:
    code = "".join(file.read_text() for file in (ROOT / "lambdas" / "rag").glob("*.py"))
    for each in documented_metrics():
        if each.namespace == OWN_NAMESPACE:
            words = re.fullmatch(r"(Documents|EnergyWh|CarbonGrams)?(\w+?)", each.name)
            assert words is not None
            name = words[1] or each.name
            assert re.search(rf'"{name}[":{{]', code), each.name


def test_each_alarm_tells_somebody_or_scales_something(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    for templates in all_modes.values():
        composites = list(resources(templates, "AWS::CloudWatch::CompositeAlarm"))
        rules = " ".join(flat(properties["AlarmRule"]) for _, properties in composites)
        for _, composite in composites:
            assert composite["AlarmActions"] == composite["OKActions"] != []
        for template in templates:
            for logical_id, resource in template["Resources"].items():
                if resource["Type"] == "AWS::CloudWatch::Alarm":
                    acts = "AlarmActions" in resource["Properties"]
                    assert acts or logical_id in rules, logical_id


def test_without_data_only_what_lets_an_endpoint_rest_is_on(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    for templates in all_modes.values():
        for path, alarm in resources(templates, "AWS::CloudWatch::Alarm"):
            if "OffTarget" in path:  # told once a day: between two days it stays as it is
                assert alarm["TreatMissingData"] == "ignore", path
            elif not SCALING & set(path):
                assert alarm["TreatMissingData"] == "notBreaching", path


def test_a_metric_that_nobody_has_published_never_reads_as_zero(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    """Neither all metrics of an alarm at once, nor each that CloudWatch is not told to fill."""
    for templates in all_modes.values():
        for path, alarm in resources(templates, "AWS::CloudWatch::Alarm"):
            for query in alarm.get("Metrics", ()):
                if "Expression" not in query or alarm["TreatMissingData"] == "breaching":
                    continue  # the one alarm for which no data is no demand
                names = {each["Id"] for each in alarm["Metrics"]} - {query["Id"]}
                never: dict[str, Series] = {name: [None] for name in names}
                assert evaluate(query["Expression"], never, 1) == [None], path
                for name in names if alarm["ComparisonOperator"].startswith("LessThan") else ():
                    if f"FILL({name}, 0)" not in query["Expression"]:
                        seen: dict[str, Series] = {other: [1e9] for other in names} | {name: [None]}
                        assert evaluate(query["Expression"], seen, 1) == [None], (path, name)


def test_each_endpoint_is_watched_for_idling_as_our_own_rule_asks(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    for templates in all_modes.values():
        program = [RuleTemplate(body, complete=True) for body in templates]
        link(program)
        judgement = judge(program, settings=RuleSettings())
        assert "EndpointUtilizationWatched" not in {
            finding.demand.name for finding in judgement.open
        }


def test_only_cloudwatch_may_publish_to_the_topic_and_no_key_costs_money(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    for templates in all_modes.values():
        assert not list(resources(templates, "AWS::KMS::Key"))
        statements = [
            statement
            for _, policy in resources(templates, "AWS::SNS::TopicPolicy")
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Allow" and statement["Action"] == "sns:Publish"
        ]
        publishers = {json.dumps(statement["Principal"]) for statement in statements}
        assert '{"Service": "cloudwatch.amazonaws.com"}' in publishers


def test_waste_alarms_name_the_practice_that_they_serve(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    titles = {id_: practice.title for id_, practice in load_practices().items()}
    seen = 0
    for templates in all_modes.values():
        for path, alarm in resources(templates, "AWS::CloudWatch::Alarm"):
            if "Wasting" in path:
                served = re.search(r"Supports ([A-Z]+\d\d-BP\d\d), (.*?)\. Runbook", _said(alarm))
                assert served, path
                assert titles[served[1]] == served[2]
                seen += 1
    assert seen > 20


def _said(alarm: dict[str, Any]) -> str:
    return str(alarm["AlarmDescription"])


SCALING = {"Backlog", "DemandHigh", "DemandLow", "NoCapacity"}
"""Alarms that start and stop instances and send no message."""


def test_the_runbook_has_an_entry_for_each_alarm_and_no_other(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    page = (ROOT / "docs" / "runbook.md").read_text()
    entries = dict(re.findall(r"^### (\w+)\n\n((?:- .*\n)+)", page, re.M))
    used = set()
    for templates in all_modes.values():
        for path, alarm in alarms(templates):
            path = ["OffTarget" if part.startswith("OffTarget") else part for part in path]
            explained = [part for part in path if part in entries]
            assert explained, f"no entry for {path}"
            if explained[-1] not in SCALING:
                entry = explained[-1].lower()
                assert _said(alarm).endswith(f" Runbook: docs/runbook.md#{entry}"), path
            used.add(explained[-1])
    assert entries.keys() == used
    for name, entry in entries.items():
        labels = re.findall(r"^- \*\*(.+?)\.\*\* \S", entry, re.M)
        assert labels == ["Means", "First look", "Usual causes", "Cure"], name


@pytest.mark.parametrize(
    ("alarm", "changes", "threshold"),
    [
        ("AnswerErrors/FastLong", {"service_level": {"attainment": 0.999}}, 1.44),
        ("AnswerErrors/SlowLong", {"service_level": {"attainment": 0.5}}, 100),
        ("IngestLag", {"monitoring": {"ingest_lag": "2h"}}, 7200),
        ("InputOverBudget", {"traffic": {"input_tokens": {"mean": 10, "p95": 3210}}}, 3210),
        ("OutputTruncated", {"monitoring": {"waste": {"truncated_share": 0.2}}}, 20),
        (
            "CacheCollapsed",
            {"traffic": {"cache_hit_share": 0.4}, "knowledge": {"changed_per_month": 0}},
            20,
        ),
    ],
)
def test_thresholds_are_the_deployments(
    synthesize: Synthesize, alarm: str, changes: dict[str, Any], threshold: float
) -> None:
    (found,) = (
        properties["Threshold"]
        for path, properties in _changed(synthesize, changes)
        if "/".join(path).endswith(f"/{alarm}")
    )
    assert found == threshold


def test_the_latency_objective_is_in_the_statistic(synthesize: Synthesize) -> None:
    found = [
        query["MetricStat"]["Stat"]
        for path, alarm in _changed(synthesize, {"service_level": {"latency_p95": "7s"}})
        if "AnswerLatency" in path
        for query in alarm["Metrics"]
        if query.get("MetricStat")
    ]
    assert sorted(set(found)) == ["PR(:7000)", "SampleCount"]
    assert len(found) == 2 * 2 * len(BURN_RATES)


def _changed(
    synthesize: Synthesize, changes: dict[str, Any]
) -> list[tuple[list[str], dict[str, Any]]]:
    stated = Deployment.load(FOLDER / "dev.yaml").model_dump(mode="json")
    del stated["rules"]["profile"]
    stated["service_level"]["availability"] = "standard"  # every alarm there is
    for section, values in changes.items():
        stated[section] |= values
    templates = synthesize(Deployment.model_validate(stated))
    return list(resources(tuple(templates.values()), "AWS::CloudWatch::Alarm"))


def test_a_graph_draws_the_threshold_of_its_alarm_in_its_own_unit(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    drawn: dict[str, set[float]] = {}
    thresholds: dict[str, set[float]] = {}
    for templates in filter(dashboards, all_modes.values()):
        for names, alarm in alarms(templates):
            thresholds.setdefault(names[-1], set()).add(alarm.get("Threshold"))
        for widgets in dashboards(templates).values():
            for widget in widgets:
                lines = widget["properties"].get("annotations", {}).get("horizontal", ())
                for line in lines:
                    if line["label"].startswith("alarm "):
                        drawn.setdefault(line["label"].split()[1], set()).add(line["value"])
    # SageMaker counts microseconds; the graph is in seconds.
    latencies = drawn.pop("EndpointLatency")
    assert latencies == {value / 1_000_000 for value in thresholds["EndpointLatency"]}
    assert drawn == {name: thresholds[name] for name in drawn}
    assert {"IngestLag", "BacklogAge", "ExecutionLatency", "InputOverBudget"} <= set(drawn)


def test_widgets_fit_the_grid_and_name_what_they_show(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    for name, templates in all_modes.items():
        for dashboard, widgets in dashboards(templates).items():
            taken: set[tuple[int, int]] = set()
            for widget in widgets:
                x, y, width, height = (widget[key] for key in ("x", "y", "width", "height"))
                cells = {(i, j) for i in range(x, x + width) for j in range(y, y + height)}
                assert x + width <= 24, (name, dashboard)
                assert not cells & taken, (name, dashboard)
                taken |= cells
                properties = widget["properties"]
                if widget["type"] == "metric" and properties["view"] == "timeSeries":
                    assert properties["title"]
                    assert properties["yAxis"]["left"]["label"]
                for entry in properties.get("metrics", ()):
                    options = entry[-1]
                    assert options.get("label") or options.get("visible") is False


def test_a_budget_stands_where_its_type_exists_and_tells_of_the_forecast(
    synthesize: Synthesize, deployments: dict[str, Deployment]
) -> None:
    prod = deployments["prod"]
    ((_, budget),) = resources((synthesize(prod)["prod-budget"],), "AWS::Budgets::Budget")
    (told,) = budget["NotificationsWithSubscribers"]
    assert told["Notification"]["NotificationType"] == "FORECASTED"
    assert told["Subscribers"][0]["Address"] == prod.monitoring.email
    assert budget["Budget"]["BudgetLimit"]["Amount"] == prod.monitoring.monthly_budget_usd
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": ["user:deployment$prod"]}
    assert "local-budget" not in synthesize(deployments["local"])


def test_the_footprint_counts_the_alarms_and_dashboards_that_there_are(
    all_modes: dict[str, tuple[Template, ...]], deployments: dict[str, Deployment]
) -> None:
    every = deployments | {
        variant: _with(deployments[name], availability)
        for variant, (name, availability) in VARIANTS.items()
    }
    wrong = []
    for name, deployment in every.items():
        templates, facts, plan = all_modes[name], Facts(), plan_serving(deployment)
        level = "least" if Watching.of(deployment, plan).is_least else "full"
        counted = {
            "alarm_metrics": -len(Watching.of(deployment, plan).course)
            + sum(
                sum(1 for _ in _of_alarm(alarm))
                for path, alarm in resources(templates, "AWS::CloudWatch::Alarm")
            ),
            "composite_alarms": len(list(resources(templates, "AWS::CloudWatch::CompositeAlarm"))),
            "dashboards": len(dashboards(templates)),
        }
        for unit, count in counted.items():
            stated = facts(f"workload/{unit}/{level}/{plan.mode}", unit)
            if not stated.low <= count <= stated.high:
                wrong.append((name, unit, count, stated.as_list()))
    assert not wrong


def test_best_effort_on_bedrock_is_watched_within_what_an_account_has_for_free(
    all_modes: dict[str, tuple[Template, ...]], deployments: dict[str, Deployment]
) -> None:
    free = {unit: Facts()(f"prices/free/{unit}", unit).mid for unit in ("alarm_metrics", "metrics")}
    watched = [
        use
        for _, alarm in resources(all_modes["dev"], "AWS::CloudWatch::Alarm")
        for use in _of_alarm(alarm)
    ]
    dev = deployments["dev"]
    assert len(watched) <= free["alarm_metrics"]
    assert len(Watching.of(dev, plan_serving(dev)).answers) <= free["metrics"]
    told = {path[-1] for path, _ in resources(all_modes["dev"], "AWS::CloudWatch::Alarm")}
    assert {"AnswerErrors", "NothingAnswered", "DeadLetters"} <= told  # an outage
    assert {"EmbeddedAgain", "LogVolume", "InputOverBudget"} <= told  # spending and waste


def test_functions_and_accelerators_send_the_metrics_that_somebody_reads_and_no_other(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    for name, templates in all_modes.items():
        sent, read = _sent(templates), set(_read(templates))
        assert sent == read, (name, sent ^ read)


def _sent(templates: tuple[Template, ...]) -> set[tuple[str, str]]:
    return {
        ("accelerator", metric_)
        for _, model in resources(templates, "AWS::SageMaker::Model")
        for metric_ in model["PrimaryContainer"]["Environment"]["ACCELERATOR_METRICS"].split()
    } | {
        (variables["POWERTOOLS_SERVICE_NAME"], metric_)
        for _, function in resources(templates, "AWS::Lambda::Function")
        for variables in [function.get("Environment", {}).get("Variables", {})]
        for metric_ in variables.get("METRICS", "").split()
    }


def _read(templates: tuple[Template, ...]) -> Iterator[tuple[str, str]]:
    """Yield service and name of each metric of ours that an alarm, graph or the record asks for."""
    for alarm in (a for _, a in resources(templates, "AWS::CloudWatch::Alarm")):
        stats = [
            query["MetricStat"]["Metric"]
            for query in alarm.get("Metrics", ())
            if "MetricStat" in query
        ]
        for metric_ in [*stats, *([alarm] if "MetricName" in alarm else [])]:
            if metric_["Namespace"] == ACCELERATOR:
                yield "accelerator", metric_["MetricName"]
            if metric_["Namespace"] == OWN_NAMESPACE:
                names = {each["Name"]: each["Value"] for each in metric_["Dimensions"]}
                yield names["service"], metric_["MetricName"]
    for widgets in dashboards(templates).values():
        for widget in widgets:
            for entry in widget["properties"].get("metrics", ()):
                words = [word for word in entry if isinstance(word, str)]
                if words and words[0] == ACCELERATOR:
                    yield "accelerator", words[1]
                if words and words[0] == OWN_NAMESPACE:
                    names = dict(zip(words[2::2], words[3::2], strict=True))
                    yield names["service"], words[1]
    for _, function in resources(templates, "AWS::Lambda::Function"):
        variables = function.get("Environment", {}).get("Variables", {})
        if "SOURCES" in variables:
            sources = Sources(**json.loads(flat(variables["SOURCES"])))
            for measure in measures("d", sources).values():
                if measure.namespace == ACCELERATOR:
                    yield "accelerator", measure.metric
                if measure.namespace == OWN_NAMESPACE:
                    yield measure.dimensions["service"], measure.metric


@cache
def _practice_rows() -> dict[str, list[str]]:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    table = page.split("## The practices' metrics")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| `")
    ]
    return {row[0].strip("`"): row[1:] for row in rows}


NAMED = (
    "CPUUtilization",
    "GPUUtilization",
    "GPUMemoryUtilization",
    "MemoryUtilization",
    "DiskUtilization",
    "nvidia_smi.gpu_utilization",
    "nvidia_smi.gpu_memory_utilization",
    "nvidia_smi.gpu_performance_state",
    "vcpu_usage",
    "memory_info",
    "neuroncore_utilization",
)


def test_the_table_of_practices_names_graphs_and_alarms_that_exist(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    titles = {
        widget["properties"].get("title")
        for templates in all_modes.values()
        for widgets in dashboards(templates).values()
        for widget in widgets
    }
    ids = {
        part for templates in all_modes.values() for path, _ in alarms(templates) for part in path
    }
    rows = _practice_rows()
    assert tuple(rows) == NAMED
    for name, (collected, graphed, alarmed) in rows.items():
        namespace, _, metric_name = collected.replace("`", "").rpartition(" ")
        assert known(namespace, metric_name)
        of_gpu = "gpu" in name.lower()
        assert (graphed == "only with a GPU: none here") is of_gpu
        if not of_gpu:
            assert graphed.strip("*") in titles
            assert set(re.findall(r"\w+", alarmed)) <= ids


def test_snapshots_of_monitoring_without_and_with_an_endpoint_differ_by_its_alarms(
    all_modes: dict[str, tuple[Template, ...]],
) -> None:
    def kinds(name: str) -> set[str]:
        return {path[-1] for path, _ in alarms(all_modes[name])}

    assert {"UtilizationLow", "BelowBreakEven", "EndpointLatency"} <= kinds(
        "examples/bridged, standard"
    )
    assert not {"UtilizationLow", "EndpointLatency", "HostFull"} & kinds("prod")
    assert {"UtilizationLow", "BelowBreakEven", "NoCapacityLasts"} <= kinds("examples/bridged")
    assert "BacklogAge" in kinds("examples/async") - kinds("examples/bridged")
    assert "WindowFailed" in kinds("examples/batch") - kinds("examples/bridged")
    assert "ProcessorsIdle" in kinds("large") - kinds("examples/realtime")
