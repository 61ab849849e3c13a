//! Metrics, as a collector gets them; read with the protocol's published types.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::HeaderMap;
use lockgate_core::{ErrorKind, Secret};
use lockgate_engine::Courier;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    HistogramDataPoint, Metric, metric::Data, number_data_point::Value as Number,
};
use prost::Message as _;

use super::receiver::{Receiver, nobody, status};
use super::{begin, scraped, telemetry, until};
use crate::{Otlp, Telemetry};

const OFTEN: Duration = Duration::from_millis(100);
const NEVER: Duration = Duration::from_hours(1);

fn pushing_to(endpoint: &str, every: Duration) -> Telemetry {
    let telemetry = telemetry();
    telemetry.count(true);
    let headers = vec![("x-collector-key".to_owned(), Secret::new("k-1"))];
    let to = Otlp { endpoint: endpoint.to_owned(), headers };
    telemetry.push(Some((&to, every)), Courier::default()).unwrap();
    telemetry
}

/// What the newest message says.
fn newest(receiver: &Receiver) -> Vec<Metric> {
    let got = receiver.got().pop().expect("a message came");
    assert_eq!((got.path.as_str(), got.header("x-collector-key")), ("/v1/metrics", "k-1"));
    assert_eq!(got.header("content-type"), "application/x-protobuf");
    let read = ExportMetricsServiceRequest::decode(got.body).unwrap();
    let resources = read.resource_metrics.into_iter();
    resources.flat_map(|resource| resource.scope_metrics).flat_map(|scope| scope.metrics).collect()
}

fn labels(attributes: &[KeyValue]) -> String {
    let text = |attribute: &KeyValue| match attribute.value.clone().and_then(|value| value.value) {
        Some(Value::StringValue(text)) => format!("{}={text}", attribute.key),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(text).collect::<Vec<_>>().join(",")
}

fn numbers(metrics: &[Metric]) -> BTreeMap<String, f64> {
    let mut told = BTreeMap::new();
    for metric in metrics {
        let points = match metric.data.clone().unwrap() {
            Data::Gauge(gauge) => gauge.data_points,
            Data::Sum(sum) => {
                assert!(sum.is_monotonic && sum.aggregation_temporality == 2, "{}", metric.name);
                assert!(sum.data_points.iter().all(|point| point.start_time_unix_nano > 0));
                sum.data_points
            }
            Data::Histogram(_) => continue,
            other => panic!("{other:?}"),
        };
        for point in points {
            let value = match point.value.unwrap() {
                Number::AsDouble(number) => number,
                Number::AsInt(number) => number as f64,
            };
            told.insert(format!("{}{{{}}}", metric.name, labels(&point.attributes)), value);
        }
    }
    told
}

fn histogram(metrics: &[Metric], name: &str, with: &str) -> HistogramDataPoint {
    let metric = metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"));
    let Some(Data::Histogram(histogram)) = metric.data.clone() else { panic!("{metric:?}") };
    assert_eq!(histogram.aggregation_temporality, 2);
    let points: Vec<_> =
        histogram.data_points.into_iter().filter(|point| labels(&point.attributes).contains(with)).collect();
    let [point] = points.as_slice() else { panic!("{name} {with}: {points:#?}") };
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
    point.clone()
}

/// O1, I2: what `/metrics` tells is pushed under the same names, and the histograms of the conventions with it.
#[tokio::test]
async fn a_collector_gets_what_a_scraper_gets_and_the_histograms_of_the_conventions() {
    let collector = Receiver::start(|_| Some(status(200))).await;
    let telemetry = pushing_to(&collector.address, NEVER);
    let told = begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new());
    told.fails(1);
    told.answers();
    begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new()).refused(ErrorKind::RateLimited);
    let scraped = scraped(&telemetry);
    telemetry.finish(Duration::from_secs(10)).await;
    assert_eq!(collector.got().len(), 1, "once, at the end");
    let metrics = newest(&collector);
    let told = numbers(&metrics);
    let counted: Vec<_> = scraped
        .iter()
        .filter(|(name, _)| {
            name.starts_with("lockgate_") && !name.contains("seconds") && !name.contains("pushes")
        })
        .collect();
    assert!(counted.len() > 20, "{scraped:#?}");
    for (name, value) in counted {
        let (head, labels) = name.split_once('{').unwrap_or((name, "}"));
        let name = format!("{head}{{{}", labels.replace('"', ""));
        assert_eq!(told.get(&name), Some(&value.parse().unwrap()), "{name} in {told:#?}");
    }
    let point = histogram(&metrics, "lockgate_call_duration_seconds", "stream=true");
    let at = point.explicit_bounds.partition_point(|bound| *bound < 1.5);
    assert_eq!((point.count, point.sum, point.bucket_counts[at]), (1, Some(1.5), 1));

    let place = "gen_ai.operation.name=chat,gen_ai.provider.name=anthropic,lockgate.provider=anthropic,\
                 gen_ai.request.model=claude-sonnet-4-6";
    let failed =
        histogram(&metrics, "gen_ai.client.operation.duration", &format!("{place},error.type=overloaded"));
    assert_eq!(failed.count, 1);
    for (name, more, sum) in [
        ("gen_ai.client.token.usage", ",gen_ai.token.type=input", 1500.0),
        ("gen_ai.client.token.usage", ",gen_ai.token.type=output", 100.0),
        ("gen_ai.server.request.duration", ",error.type=rate_limited", 1.5),
        ("gen_ai.server.time_per_output_token", "", 1.2 / 99.0),
        ("gen_ai.server.time_to_first_token", "", 0.3),
    ] {
        let point = histogram(&metrics, name, &format!("{place}{more}"));
        assert!(point.count == 1 && (point.sum.unwrap() - sum).abs() < 1e-9, "{name} {point:?}");
    }
    let bounds = histogram(&metrics, "gen_ai.client.token.usage", "output").explicit_bounds;
    assert_eq!((bounds[0], bounds[13], bounds.len()), (1.0, 67_108_864.0, 14), "as the conventions say");
    let unit = metrics.iter().find(|metric| metric.name == "process_resident_memory_bytes").unwrap();
    assert_eq!(unit.unit, "By");
}

/// Models that clients make up are no attributes, and labels of any text arrive as they are.
#[tokio::test]
async fn what_is_pushed_has_the_bounds_of_what_is_scraped() {
    let collector = Receiver::start(|_| Some(status(200))).await;
    let telemetry = pushing_to(&collector.address, NEVER);
    for number in 0..300 {
        begin(&telemetry, &format!("made-up-{number}"), &HeaderMap::new()).refused(ErrorKind::NotFound);
        begin(&telemetry, &format!("real-\"\\\n-{number}"), &HeaderMap::new()).answers();
    }
    telemetry.finish(Duration::from_secs(10)).await;
    let metrics = newest(&collector);
    let all = format!("{metrics:?}");
    assert!(!all.contains("made-up"));
    let told = numbers(&metrics);
    let real = "lockgate_calls_total{dialect=anthropic,operation=generate,provider=anthropic,model=real-\"\\\n-0,outcome=complete}";
    assert_eq!(told.get(real), Some(&1.0), "{told:#?}");
    let requests = metrics.iter().find(|metric| metric.name == "gen_ai.server.request.duration").unwrap();
    let Some(Data::Histogram(histogram)) = &requests.data else { panic!("{requests:?}") };
    assert_eq!(
        histogram.data_points.len(),
        102,
        "100 models, the others that answered, and those that did not"
    );
}

/// L7, I9: a collector that does not take them costs nothing but the moment.
#[tokio::test]
async fn a_collector_that_refuses_is_counted_and_gets_all_of_it_the_next_time() {
    let refused = || {
        let partial = ExportMetricsPartialSuccess { rejected_data_points: 3, error_message: "no".into() };
        let body = ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        http::Response::new(http_body_util::Full::new(body.into()))
    };
    let collector = Receiver::start(move |number| {
        Some(match number {
            1 => status(400),
            2 => refused(),
            _ => status(200),
        })
    })
    .await;
    let telemetry = pushing_to(&collector.address, OFTEN);
    begin(&telemetry, "m", &HeaderMap::new()).answers();
    let pushes = |result: &str| {
        let name = format!("lockgate_metric_pushes_total{{result=\"{result}\"}}");
        scraped(&telemetry)[&name].parse::<u64>().unwrap()
    };
    until("one is taken", || pushes("sent") >= 1).await;
    assert_eq!(pushes("failed"), 2);
    let told = numbers(&newest(&collector));
    let calls: f64 =
        told.iter().filter(|(name, _)| name.starts_with("lockgate_calls_total")).map(|(_, n)| n).sum();
    assert!((calls - 1.0).abs() < 0.5, "{told:#?}");
}

/// I9.
#[tokio::test]
async fn a_collector_that_hangs_or_is_away_holds_up_neither_calls_nor_the_end() {
    let hanging = Receiver::start(|_| None).await;
    for endpoint in [hanging.address.clone(), nobody()] {
        let telemetry = pushing_to(&endpoint, OFTEN);
        for _ in 0..1_000 {
            begin(&telemetry, "m", &HeaderMap::new()).answers();
        }
        assert!(scraped(&telemetry).values().any(|value| value == "1000"));
        let asked = Instant::now();
        telemetry.finish(Duration::from_millis(300)).await;
        assert!(asked.elapsed() < Duration::from_secs(5), "the end waits for nobody");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_said_and_nothing_is_sent() {
    let telemetry = telemetry();
    let to = Otlp {
        endpoint: "http://127.0.0.1:1".to_owned(),
        headers: vec![("no name".to_owned(), Secret::new("v"))],
    };
    let said = telemetry.push(Some((&to, NEVER)), Courier::default()).unwrap_err();
    assert_eq!(said, "the header `no name` cannot be sent");
}
