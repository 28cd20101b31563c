//! The report: one HTML file with everything in it.

use crate::chart;
use crate::scenario::{AIRPORTS, FROST_AIRPORT, FROST_BELOW};
use crate::show;
use crate::summary::Summary;
use std::fmt::Write;

const STYLE: &str = "
:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;color:#1d2733;background:#fff;max-width:900px;margin:2.5rem auto;padding:0 1.2rem}
h1{font-size:1.7rem;margin:0 0 .3rem}
h2{font-size:1.15rem;margin:2.4rem 0 .6rem}
h3{font-size:1rem;margin:1.2rem 0 .2rem}
p{margin:.3rem 0 .8rem;color:#4a5765}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.28rem .7rem .28rem 0;border-bottom:1px solid #e6eaee;font-weight:400}
th{color:#6b7885;font-size:.85rem}
td.n,th.n{text-align:right}
td:has(.bar){width:40%}
ul{margin:.3rem 0 .8rem;padding-left:1.2rem}
summary{cursor:pointer;color:#0f6fc6}
code{font:13px ui-monospace,monospace}
svg{width:100%;height:auto;display:block}
svg text{font-size:12px;fill:#6b7885}
.grid{stroke:#e6eaee}
.measured{fill:none;stroke:#8894a1;stroke-width:2}
.forecast{fill:none;stroke:#0f6fc6;stroke-width:1.6}
circle{fill:#0f6fc6}
line.threshold{stroke:#c0392b;stroke-dasharray:5 4}
text.threshold{fill:#c0392b}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(155px,1fr));gap:.8rem;margin:1.4rem 0}
.figures div{border:1px solid #e6eaee;border-radius:8px;padding:.6rem .8rem}
.figures b{display:block;font-size:1.2rem;font-weight:600}
.figures span{color:#6b7885;font-size:.85rem}
.key{display:inline-block;width:1.6em;height:0;border-top:2px solid;vertical-align:middle;margin:0 .4em 0 .8em}
.bar{background:#0f6fc6;height:.7rem;border-radius:2px;min-width:2px}
";

/// The whole report.
pub fn html(summary: &Summary) -> String {
    let shifted = match summary.capture_shift_s {
        0 => String::new(),
        shift => format!(
            "<p>The chain was an RPC server, and each operator a process. The server's clock can't be set back, so that \
             every time on its chain is {} seconds after the one that is shown here.</p>",
            show::thousands(shift.unsigned_abs())
        ),
    };
    let parts = [
        shifted,
        figures(summary),
        forecasts(summary),
        readings(summary),
        operators(summary),
        attestations(summary),
        verification(summary),
        consumer(summary),
        rewards(summary),
        compute(summary),
        programs(summary),
    ];
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Fieldproof: a cold day at three airports</title><style>{STYLE}</style></head><body>\
         <h1>A cold day at three airports</h1>\
         <p>Newark, JFK and LaGuardia, 12 to 14 December 2013 (UTC): hourly temperatures as they were measured, signed by \
         devices, committed to, forecast an hour ahead, verified and paid for. Every figure was read back from the chain \
         or from the operators' databases; errors are against the data set. An airport's four devices report \
         the one thermometer that the data set has for it.</p>{}</body></html>\n",
        parts.concat()
    )
}

fn figures(summary: &Summary) -> String {
    let accuracy = &summary.accuracy;
    let figures = [
        (summary.devices.to_string(), "devices"),
        (
            show::thousands(summary.readings.accepted),
            "readings accepted",
        ),
        (
            summary.readings.rejected.values().sum::<u64>().to_string(),
            "readings rejected",
        ),
        (summary.commitments.len().to_string(), "commitments"),
        (summary.attestations.len().to_string(), "rounds attested"),
        (
            format!("{:.3} °C", accuracy.model_mae),
            "mean error of the feeds",
        ),
        (
            format!("{:.3} °C", accuracy.naive_mae),
            "mean error of the last reading",
        ),
        (
            show::tokens(summary.rewards.claimed),
            "reward tokens claimed",
        ),
    ];
    let mut html = String::from("<div class=\"figures\">");
    for (value, name) in figures {
        let _ = write!(html, "<div><b>{value}</b><span>{name}</span></div>");
    }
    html + "</div>"
}

fn forecasts(summary: &Summary) -> String {
    let mut html = String::from(
        "<h2>What was forecast, and what came</h2>\
         <p><i class=\"key\" style=\"border-color:#8894a1\"></i>measured\
         <i class=\"key\" style=\"border-color:#0f6fc6\"></i>forecast on the feed, an hour before; °C</p>",
    );
    for (number, (airport, series)) in AIRPORTS.iter().zip(&summary.series).enumerate() {
        let threshold = (number == FROST_AIRPORT).then_some(FROST_BELOW);
        let _ = write!(
            html,
            "<h3>{} ({})</h3><p>{} rounds, mean error {:.3} °C</p>{}",
            airport.name,
            airport.code,
            series.forecast.len(),
            series.error,
            chart::chart(series, threshold)
        );
    }
    let accuracy = &summary.accuracy;
    html + &table(
        &["Forecast", "#Mean absolute error, °C"],
        &[
            vec![
                "the feeds' integer model, as the chain has it".into(),
                format!("{:.4}", accuracy.model_mae),
            ],
            vec![
                "the float network that it was made of".into(),
                format!("{:.4}", accuracy.float_mae),
            ],
            vec![
                "the last reading".into(),
                format!("{:.4}", accuracy.naive_mae),
            ],
        ],
    )
}

fn readings(summary: &Summary) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(("accepted", summary.readings.accepted))
        .chain(
            summary
                .readings
                .rejected
                .iter()
                .map(|(name, count)| (name.as_str(), *count)),
        )
        .map(|(name, count)| vec![name.replace('_', " "), show::thousands(count)])
        .collect();
    String::from("<h2>Readings</h2><p>What was rejected was bad on purpose.</p>")
        + &table(&["What became of them", "#Readings"], &rows)
}

fn operators(summary: &Summary) -> String {
    let rows: Vec<Vec<String>> = summary
        .databases
        .iter()
        .zip(&AIRPORTS)
        .map(|(database, airport)| {
            vec![
                database.name.to_owned(),
                airport.code.to_owned(),
                show::tokens(database.allocation),
                show::thousands(database.readings),
                database.commitments.to_string(),
                database.signed.to_string(),
            ]
        })
        .collect();
    let unsigned: Vec<String> = summary
        .unsigned
        .iter()
        .map(|text| format!("<li>{}</li>", escape(text)))
        .collect();
    format!(
        "<h2>Operators</h2><p>Each takes one airport's readings, and checks the others' attestations from their \
         payloads up before it signs. One was handed a tampered payload, once:</p><ul>{}</ul>",
        unsigned.concat()
    ) + &table(
        &["Operator", "Takes", "#Allocation, tokens", "#Readings held", "#Commitments", "#Attestations signed"],
        &rows,
    )
}

fn attestations(summary: &Summary) -> String {
    let mut rows = Vec::new();
    for attested in &summary.attestations {
        rows.push(vec![
            show::time(attested.captured),
            format!(
                "<span title=\"{}\">{}</span>",
                attested.feed, attested.airport
            ),
            attested.windows.to_string(),
            show::degrees(attested.value),
            attested.verification.join(", "),
            attested.signers.to_string(),
            code(&attested.signature),
            show::thousands(attested.cu),
        ]);
    }
    String::from("<h2>Attestations</h2><p>A device is behind a forecast with its last 16 readings, if they are an hour apart: one that \
         lost power for three hours is missing for as long as it takes to have them again.</p>\
         <details><summary>All rounds</summary>")
        + &table(
            &[
                "Reading of", "Feed", "#Devices", "#Forecast, °C", "Verified", "#Signers", "Transaction", "#Compute",
            ],
            &rows,
        )
        + "</details>"
}

fn verification(summary: &Summary) -> String {
    let rows: Vec<Vec<String>> = summary
        .verification
        .ways
        .iter()
        .map(|way| {
            vec![
                format!("<span title=\"{}\">{}</span>", way.feed, way.airport),
                way.required.join(", "),
                way.passed.join(", "),
                show::degrees(way.value),
            ]
        })
        .collect();
    let caught = &summary.verification.caught;
    String::from(
        "<h2>Each way to verify</h2><p>One model, three kinds of proof: a committee recomputes, a challenge window passes in \
         which anybody could have shown a wrong output, or a zero-knowledge proof.</p>",
    ) + &table(
        &["Feed", "Required", "Passed", "#Forecast, °C"],
        &rows,
    ) + &format!(
        "<p>An operator attested {} °C where the model says {}. Somebody had the program run the model on one window: the \
         operator lost {} tokens in that transaction, and {} of them went to the challenger. {}</p>",
        show::degrees(caught.attested),
        show::degrees(caught.right),
        show::tokens(caught.slashed),
        show::tokens(caught.bounty),
        code(&caught.signature)
    )
}

fn consumer(summary: &Summary) -> String {
    let consumer = &summary.consumer;
    let mut html = String::from("<h2>The frost policy</h2>");
    let _ = match &consumer.signature {
        Some(signature) => write!(
            html,
            "<p>Paid {} tokens when the feed of {} went below {} °C: {}</p>",
            show::tokens(consumer.amount),
            AIRPORTS[FROST_AIRPORT].code,
            show::degrees(FROST_BELOW),
            code(signature)
        ),
        None => write!(html, "<p>Not paid.</p>"),
    };
    let mut rows: Vec<(String, usize)> = Vec::new();
    for refusal in &summary.unsettled {
        match rows.last_mut() {
            Some((last, count)) if last == refusal => *count += 1,
            _ => rows.push((refusal.clone(), 1)),
        }
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(text, count)| vec![escape(&text), count.to_string()])
        .collect();
    html + &table(&["Settlements that the program refused", "#Times"], &rows)
}

fn rewards(summary: &Summary) -> String {
    let most = summary
        .paid
        .iter()
        .map(|paid| paid.claimed)
        .max()
        .unwrap_or(0)
        .max(1);
    let rows: Vec<Vec<String>> = summary
        .paid
        .iter()
        .map(|paid| {
            let width = paid.claimed as f64 / most as f64 * 100.0;
            vec![
                paid.name.to_owned(),
                paid.kind.to_owned(),
                show::tokens(paid.claimed),
                format!("<div class=\"bar\" style=\"width:{width:.1}%\"></div>"),
            ]
        })
        .collect();
    format!(
        "<h2>Rewards</h2><p>Two epochs emitted {} tokens; {} were claimed, and {} exist.</p>{}",
        show::tokens(summary.rewards.emitted),
        show::tokens(summary.rewards.claimed),
        show::tokens(summary.supply),
        table(&["Payee", "Kind", "#Claimed, tokens", ""], &rows)
    )
}

fn compute(summary: &Summary) -> String {
    let rows: Vec<Vec<String>> = summary
        .kinds
        .iter()
        .map(|kind| {
            let (units, count) = (&kind.compute_units, kind.compute_units.len() as u64);
            vec![
                kind.name.clone(),
                show::thousands(count),
                show::thousands(units.iter().min().copied().unwrap_or(0)),
                show::thousands(units.iter().sum::<u64>() / count.max(1)),
                show::thousands(units.iter().max().copied().unwrap_or(0)),
            ]
        })
        .collect();
    String::from("<h2>Compute by kind of transaction</h2>")
        + &table(
            &["Instructions", "#Transactions", "#Least", "#Mean", "#Most"],
            &rows,
        )
}

fn programs(summary: &Summary) -> String {
    let rows: Vec<Vec<String>> = summary
        .programs
        .iter()
        .map(|(name, program)| {
            let id = format!("<code>{}</code>", program.id);
            vec![name.clone(), id, show::thousands(program.bytes as u64)]
        })
        .collect();
    String::from("<h2>Programs</h2>") + &table(&["Program", "Address", "#Bytes"], &rows)
}

/// A table of cells that are HTML already. Columns whose title starts with `#` hold numbers.
fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let class = |column: usize| match titles.get(column) {
        Some(title) if title.starts_with('#') => " class=\"n\"",
        _ => "",
    };
    let mut html = String::from("<table><tr>");
    for (column, title) in titles.iter().enumerate() {
        let _ = write!(
            html,
            "<th{}>{}</th>",
            class(column),
            title.trim_start_matches('#')
        );
    }
    html += "</tr>";
    for row in rows {
        html += "<tr>";
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(html, "<td{}>{cell}</td>", class(column));
        }
        html += "</tr>";
    }
    html + "</table>"
}

/// An address or signature, shortened, with the whole of it for the mouse.
fn code(text: &str) -> String {
    let short: String = text.chars().take(8).collect();
    format!("<code title=\"{text}\">{short}…</code>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
