//! The data set, the network's arithmetic, and the committed model.

use std::fs;
use std::path::PathBuf;

use inference::{features, infer, ModelRef, READINGS};
use rand::{rngs::StdRng, Rng, SeedableRng};
use trainer::data::{load, split, windows, Reading, Split};
use trainer::network::{inputs, Arithmetic, Network, PARAMETERS};
use trainer::report::{check, Card};
use trainer::train::HEADER;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn data() -> Split {
    let readings = load(&path("../../data/weather/temperature.csv")).unwrap();
    split(windows(&readings)).unwrap()
}

fn readings(hours: &[i64]) -> Vec<Reading> {
    hours
        .iter()
        .map(|hour| Reading {
            station: "LGA".to_string(),
            hour: *hour,
            temperature: *hour as i32,
        })
        .collect()
}

#[test]
fn a_window_has_no_gap_and_one_station() {
    let whole: Vec<i64> = (100..=100 + READINGS as i64).collect();
    let found = windows(&readings(&whole));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].hour, 116);
    assert_eq!(found[0].temperatures[0], 100);
    assert_eq!(found[0].temperatures[15], 115);
    assert_eq!(found[0].next, 116);

    let mut gap = readings(&whole);
    gap[16].hour += 1;
    assert!(windows(&gap).is_empty());
    let mut stations = readings(&whole);
    stations[0].station = "JFK".to_string();
    assert!(windows(&stations).is_empty());
}

#[test]
fn the_data_set_is_whole_and_its_parts_are_apart() {
    let split = data();
    let sizes = [
        split.training.len(),
        split.validation.len(),
        split.other_station.len(),
        split.other_season.len(),
    ];
    assert_eq!(sizes, [9796, 2623, 8466, 4163]);

    // 2013-10-01T00:00:00Z
    let autumn = 1_380_585_600 / 3600;
    for window in split.training.iter().chain(&split.validation) {
        assert_ne!(window.station, "LGA");
        assert!(window.hour < autumn);
    }
    let validated: Vec<i64> = split.validation.iter().map(|window| window.hour).collect();
    for window in &split.training {
        assert!(validated
            .iter()
            .all(|hour| !(window.hour - 16..=window.hour).contains(hour)));
    }
}

#[test]
fn rows_out_of_form_or_order_are_refused() {
    let folder = std::env::temp_dir().join(format!("trainer-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("rows.csv");
    let load_rows = |rows: &str| {
        fs::write(&file, format!("origin,time,temperature\n{rows}")).unwrap();
        load(&file)
    };

    let good = load_rows("LGA,2013-02-28T23:00:00Z,-1\nLGA,2013-03-01T00:00:00Z,2\n").unwrap();
    assert_eq!(good[0].hour * 3600, 1_362_092_400);
    assert_eq!(good[1].hour, good[0].hour + 1);
    assert!(load_rows("LGA,2013-03-01T00:00:00Z,2\nLGA,2013-02-28T23:00:00Z,-1\n").is_err());
    assert!(load_rows("LGA,2013-03-01T00:00:00Z,2\nLGA,2013-03-01T00:00:00Z,2\n").is_err());
    assert!(load_rows("LGA,2013-03-01T00:30:00Z,2\n").is_err());
    assert!(load_rows("LGA,2013-13-01T00:00:00Z,2\n").is_err());
    assert!(load_rows("LGA,2013-03-01T00:00:00Z,2.5\n").is_err());
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn gradients_are_slopes_of_the_output() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut compared = 0;
    for _ in 0..20 {
        let network = Network::random(&mut rng);
        let inputs = std::array::from_fn(|_| rng.gen_range(-0.5..0.5));
        let trace = network.forward(Arithmetic::Float, &inputs);
        let mut gradient = [0.0; PARAMETERS];
        network.backward(&trace, 1.0, &mut gradient);

        for (parameter, slope) in gradient.iter().enumerate() {
            let shifted = |step: f32| {
                let mut network = network.clone();
                network.parameters_mut()[parameter] += step;
                network.forward(Arithmetic::Float, &inputs).output()
            };
            let step = 1.0 / 1024.0;
            let (below, here, above) = (shifted(-step), trace.output(), shifted(step));
            // Where a clamp begins or ends, the slopes on both sides differ, and neither is wrong.
            if ((above - here) - (here - below)).abs() < 1e-6 {
                let measured = (above - below) / (2.0 * step);
                assert!((measured - slope).abs() < 1e-3, "{measured} but {slope}");
                compared += usize::from(*slope != 0.0);
            }
        }
    }
    assert!(compared > 2_000, "only {compared} slopes were compared");
}

#[test]
fn integer_arithmetic_is_the_engine() {
    let split = data();
    let card = Card::load(&path("models/temperature.json")).unwrap();
    let rounded = card.float.rounded(Arithmetic::Integer);
    let bytes = card.float.quantise(HEADER).to_bytes();
    let model = ModelRef::parse(&bytes).unwrap();
    let windows = &split.other_season;
    let mut same = 0;
    for window in windows {
        let features = features(&HEADER, &window.temperatures);
        let trace = rounded.forward(Arithmetic::Integer, &inputs(&features));
        let output = (trace.output() * 256.0 + 0.5).floor().clamp(0.0, 255.0);
        let difference = (output - f32::from(infer(&model, &features))).abs();
        // A float sum just beside a half may round the other way, and that moves the output by one.
        assert!(difference <= 1.0);
        same += usize::from(difference == 0.0);
    }
    assert!(
        same * 100 >= windows.len() * 99,
        "{same} of {}",
        windows.len()
    );
}

#[test]
fn the_committed_model_is_as_good_as_its_card_says() {
    let split = data();
    let report = check(&path("models/temperature.model"), &split).unwrap();
    for errors in [
        &report.held_out,
        &report.other_station,
        &report.other_season,
    ] {
        assert!(errors.model_mae < 0.9 * errors.naive_mae);
        assert!(errors.model_mae < 1.05 * errors.float_mae);
    }
}

#[test]
fn another_model_or_another_card_fails_the_check() {
    let split = data();
    let folder = std::env::temp_dir().join(format!("trainer-check-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (model, card) = (folder.join("t.model"), folder.join("t.json"));
    let good_model = fs::read(path("models/temperature.model")).unwrap();
    let good_card = fs::read_to_string(path("models/temperature.json")).unwrap();
    let outcome = |model_bytes: &[u8], card_text: &str| {
        fs::write(&model, model_bytes).unwrap();
        fs::write(&card, card_text).unwrap();
        check(&model, &split)
    };

    assert!(outcome(&good_model, &good_card).is_ok());
    let mut weight = good_model.clone();
    weight[100] ^= 1;
    assert!(outcome(&weight, &good_card).is_err());
    assert!(outcome(&good_model[1..], &good_card).is_err());
    let better = good_card.replacen("\"model_mae\":0.", "\"model_mae\":0.0", 1);
    assert_ne!(better, good_card);
    assert!(outcome(&good_model, &better).is_err());
    let shorter = good_card.replacen("\"parameters\":[", "\"parameters\":[0.5,", 1);
    assert_ne!(shorter, good_card);
    assert!(outcome(&good_model, &shorter).is_err());
    fs::remove_dir_all(&folder).unwrap();
}
