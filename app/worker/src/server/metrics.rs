//! The worker's figures in Prometheus' text format.

use super::Served;
use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

/// The format's media type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// All figures.
pub fn render(served: &Served) -> String {
    let (store, gate) = (&served.operator.store, &served.gate);
    let figures = store.figures();
    let (writes, seconds) = figures.writes();
    let mut page = Page(String::new());
    page.counter(
        "readings_accepted_total",
        "Readings on the disk, of all time.",
        store.reading_count(),
    );
    page.labelled(
        "readings_rejected_total",
        "Readings and grants not taken since the start.",
        figures
            .rejected()
            .map(|(reject, count)| (reject.name(), count)),
    );
    page.labelled(
        "requests_refused_total",
        "Requests not looked at since the start.",
        gate.refused()
            .map(|(refusal, count)| (refusal.name(), count)),
    );
    page.counter(
        "store_writes_total",
        "Durable writes of readings since the start.",
        writes,
    );
    page.counter("store_write_seconds_total", "Time that they took.", seconds);
    let challenges = served.operator.challenges.figures();
    page.counter(
        "challenges_total",
        "Challenges of own readings met since the start.",
        challenges.met,
    );
    page.counter(
        "challenges_answered_total",
        "Challenges answered since the start.",
        challenges.answered,
    );
    page.counter(
        "challenge_failures_total",
        "Answers that failed since the start; they are tried again.",
        challenges.failed,
    );
    page.counter(
        "challenges_missed_total",
        "Challenges not answered in time since the start; they cost stake.",
        challenges.missed,
    );
    page.gauge(
        "challenges_open",
        "Challenges of own readings that are not answered yet.",
        challenges.open,
    );
    if let Some(proving) = served.operator.proving() {
        let proofs = proving.figures();
        page.counter("proofs_total", "Proofs made since the start.", proofs.made);
        page.counter(
            "proof_seconds_total",
            "Time that they took.",
            proofs.time.as_secs_f64(),
        );
        page.counter(
            "proof_failures_total",
            "Proofs that could not be made or brought to the chain since the start; they are tried again.",
            proofs.failed,
        );
    }
    page.gauge(
        "in_flight_bytes",
        "Bytes of bodies held at present.",
        gate.in_flight(),
    );
    page.gauge(
        "answer_bytes",
        "Bytes of answers held at present, until clients have read them.",
        gate.answers(),
    );
    page.gauge(
        "mqtt_connected",
        "1 while subscribed at an MQTT broker.",
        u8::from(served.mqtt.load(Ordering::Relaxed)),
    );
    page.gauge(
        "devices",
        "Registered devices known.",
        served.operator.registry.count(),
    );
    page.gauge(
        "chain_time_seconds",
        "The chain's time as read last.",
        served.operator.now(),
    );
    page.0
}

struct Page(String);

impl Page {
    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "counter");
        self.line(format_args!("fieldproof_{name} {value}"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.line(format_args!("fieldproof_{name} {value}"));
    }

    fn labelled(
        &mut self,
        name: &str,
        help: &str,
        values: impl Iterator<Item = (&'static str, u64)>,
    ) {
        self.head(name, help, "counter");
        for (reason, value) in values {
            self.line(format_args!(
                "fieldproof_{name}{{reason=\"{reason}\"}} {value}"
            ));
        }
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP fieldproof_{name} {help}"));
        self.line(format_args!("# TYPE fieldproof_{name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}
