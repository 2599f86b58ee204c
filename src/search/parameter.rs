//! The hyper-parameters that can be searched.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::trial::Trial;
use crate::config::Config;
use crate::config::settings::word;
use crate::config::spec::Method;
use crate::model::Hidden;
use crate::model::optimizer::Optimizer;

/// A value of a hyper-parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// One of the setting's words, or several hidden layers, such as `512-256`.
    Word(String),
}

/// A hyper-parameter, by the name of its flag.
#[derive(Clone, Copy)]
pub struct Parameter {
    name: &'static str,
    kind: Kind,
}

/// How it is read off a trial, and how it is set.
#[derive(Clone, Copy)]
enum Kind {
    Real(fn(&Trial) -> f64, fn(&mut Config, f64)),
    Integer(fn(&Trial) -> u64, fn(&mut Config, u64)),
    Word(fn(&Trial) -> String, fn(&mut Config, &str) -> Read),
    Hidden,
}

/// Whether a word is one of the setting's; else why not.
type Read = Result<(), String>;

/// The largest integer of a parameter, 2⁵³: an `f64` holds all up to it exactly.
const LARGEST: f64 = 9_007_199_254_740_992.0;

impl Parameter {
    /// Strength of the L2 penalty.
    pub const LAMBDA: Self = real("lambda", |trial| trial.spec.lambda, |config, value| config.lambda = value);
    /// Seed of the initial weights and the shuffles.
    pub const SEED: Self = integer("seed", |trial| trial.spec.seed, |config, value| config.seed = value);

    /// All of them. Those that the models of a job may differ in are named in [`Trial::goes_with`]; trials that differ in
    /// any other train in jobs of their own.
    #[rustfmt::skip]
    pub const ALL: &'static [Self] = &[
        Self::LAMBDA,
        real("lr-max", |trial| trial.spec.lr.max, |config, value| config.lr_max = value),
        real("lr-min", |trial| trial.spec.lr.min, |config, value| config.lr_min = value),
        word_of("schedule", |trial| written(trial.spec.lr.policy), |config, word| read(&mut config.schedule, word)),
        integer("half-cycle", |trial| trial.spec.lr.half_cycle, |config, value| config.half_cycle = value),
        real("gamma", |trial| trial.spec.lr.gamma, |config, value| config.gamma = Some(value)),
        integer("step-size", |trial| trial.spec.lr.step_size, |config, value| config.step_size = Some(value)),
        integer("warmup", |trial| trial.spec.lr.warmup, |config, value| config.warmup = value),
        Self { name: "hidden", kind: Kind::Hidden },
        word_of("optimizer", |trial| written(method(trial)), |config, word| read(&mut config.optimizer, word)),
        real("momentum", momentum, |config, value| config.momentum = value),
        real("weight-decay", weight_decay, |config, value| config.weight_decay = Some(value)),
        integer("batch-size", |trial| trial.spec.batch_size as u64, |config, value| config.batch_size = value as usize),
        word_of("flip", |trial| written(trial.spec.augment.flip), |config, word| read(&mut config.flip, word)),
        integer("shift", |trial| trial.spec.augment.shift as u64, |config, value| config.shift = value as usize),
        real("label-smoothing", |trial| decimal(trial.spec.regularise.label_smoothing), |config, value| config.label_smoothing = value),
        real("mixup", |trial| decimal(trial.spec.regularise.mixup), |config, value| config.mixup = value),
        real("dropout", |trial| decimal(trial.spec.regularise.dropout), |config, value| config.dropout = value),
        real("input-dropout", |trial| decimal(trial.spec.regularise.input_dropout), |config, value| config.input_dropout = value),
        word_of("init", |trial| written(trial.spec.init), |config, word| read(&mut config.init, word)),
        Self::SEED,
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|parameter| parameter.name == name)
    }

    /// The names of all, as in a sentence.
    pub fn names() -> String {
        Self::ALL.iter().map(|parameter| parameter.name).collect::<Vec<_>>().join(", ")
    }

    /// The name of its flag.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Whether its numbers are integers.
    pub fn is_integer(self) -> bool {
        matches!(self.kind, Kind::Integer(..) | Kind::Hidden)
    }

    /// Whether its values are words, which have no order.
    pub fn is_word(self) -> bool {
        matches!(self.kind, Kind::Word(..))
    }

    /// Whether it changes the shape of the network.
    pub fn decides_shape(self) -> bool {
        matches!(self.kind, Kind::Hidden)
    }

    /// Reads a value as it is typed; else what was expected and what was found.
    pub fn read(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match (self.kind, text.parse::<f64>()) {
            (Kind::Word(_, set), _) => {
                set(&mut Config::default(), text)?;
                Ok(Value::Word(text.to_owned()))
            }
            (_, Ok(value)) => {
                let most = if self.is_integer() { LARGEST } else { f64::MAX };
                let fits = (0.0..=most).contains(&value) && !(self.is_integer() && value.fract() != 0.0);
                let kind = if self.is_integer() { "an integer" } else { "a finite number" };
                let value = fits.then_some(Value::Number(value));
                value.ok_or_else(|| format!("{} {text}: expected {kind}, 0 or more", self.name))
            }
            (Kind::Hidden, Err(_)) => {
                let hidden = text.replace('-', ",").parse::<Hidden>();
                hidden.map(|hidden| layers(&hidden)).map_err(|_| {
                    format!("hidden \"{text}\": expected units such as 50, layers joined by -, as in 512-256, or none")
                })
            }
            (_, Err(_)) => Err(format!("\"{text}\" is not a number: expected [PARAM=]A:B or [PARAM=]A,B,C")),
        }
    }

    /// Its value in `trial`.
    pub fn of(self, trial: &Trial) -> Value {
        match self.kind {
            Kind::Real(of, _) => Value::Number(of(trial)),
            Kind::Integer(of, _) => Value::Number(of(trial) as f64),
            Kind::Word(of, _) => Value::Word(of(trial)),
            Kind::Hidden => layers(&trial.hidden),
        }
    }

    /// Sets the value in `config`, truncated if it is an integer there. A value that [`Self::read`] did not give is left.
    pub fn set(self, config: &mut Config, value: &Value) {
        match (self.kind, value) {
            (Kind::Real(_, set), Value::Number(value)) => set(config, *value),
            (Kind::Integer(_, set), Value::Number(value)) => set(config, *value as u64),
            (Kind::Word(_, set), Value::Word(word)) => set(config, word).unwrap_or_default(),
            (Kind::Hidden, Value::Number(units)) => config.hidden = Hidden::one(*units as usize),
            (Kind::Hidden, Value::Word(word)) => {
                config.hidden = word.replace('-', ",").parse().unwrap_or_else(|_| config.hidden.clone());
            }
            _ => {}
        }
    }

    /// The value as displayed, real numbers in a short form.
    pub fn show(self, value: &Value) -> String {
        match value {
            Value::Number(value) if self.is_integer() => format!("{value}"),
            Value::Number(value) => format!("{value:.6e}"),
            Value::Word(word) => word.clone(),
        }
    }
}

impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn real(name: &'static str, of: fn(&Trial) -> f64, set: fn(&mut Config, f64)) -> Parameter {
    Parameter { name, kind: Kind::Real(of, set) }
}

const fn integer(name: &'static str, of: fn(&Trial) -> u64, set: fn(&mut Config, u64)) -> Parameter {
    Parameter { name, kind: Kind::Integer(of, set) }
}

const fn word_of(name: &'static str, of: fn(&Trial) -> String, set: fn(&mut Config, &str) -> Read) -> Parameter {
    Parameter { name, kind: Kind::Word(of, set) }
}

/// Reads a word as its flag would.
fn read<T: DeserializeOwned>(setting: &mut T, text: &str) -> Read {
    *setting = word(text).map_err(|error: serde::de::value::Error| error.to_string())?;
    Ok(())
}

/// A setting's word.
fn written(setting: impl Serialize) -> String {
    serde_json::to_value(setting).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

/// One layer is a number, as a range has it.
fn layers(hidden: &Hidden) -> Value {
    match hidden[..] {
        [units] => Value::Number(units as f64),
        _ => Value::Word(hidden.to_string().replace(',', "-")),
    }
}

fn method(trial: &Trial) -> Method {
    match trial.spec.optimizer {
        Optimizer::Sgd { .. } => Method::Sgd,
        Optimizer::Adamw { .. } => Method::Adamw,
    }
}

fn momentum(trial: &Trial) -> f64 {
    match trial.spec.optimizer {
        Optimizer::Sgd { momentum, .. } => decimal(momentum),
        Optimizer::Adamw { .. } => 0.0,
    }
}

fn weight_decay(trial: &Trial) -> f64 {
    match trial.spec.optimizer {
        Optimizer::Adamw { weight_decay } => decimal(weight_decay),
        Optimizer::Sgd { .. } => 0.0,
    }
}

/// The `f64` of the same shortest decimal: 0.9 of the `f32` 0.9, which lies in a range that begins with 0.9.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Search;
    use crate::search::space::{Sample, Space};

    /// The value of parameter `name` in the one trial of a search that has `text` there.
    fn seen(name: &str, text: &str, config: &Config) -> (Value, Value) {
        let parameter = Parameter::named(name).unwrap();
        let space = Space::new(Sample::List, vec![format!("{name}={text}").parse().unwrap()], None).unwrap();
        let search =
            Search { config: config.clone(), space, warm_start: false, refine: 0, with_test: false, halving: None };
        (parameter.read(text).unwrap(), parameter.of(&search.trials()[0]))
    }

    #[test]
    fn a_trial_has_the_value_that_was_typed() {
        let adamw = Config { optimizer: Method::Adamw, ..Config::default() };
        let texts = [
            ("lambda", "0.125"),
            ("lr-max", "0.3"),
            ("lr-min", "0.01"),
            ("schedule", "one-cycle"),
            ("half-cycle", "7"),
            ("gamma", "0.7"),
            ("step-size", "9"),
            ("warmup", "5"),
            ("hidden", "512-256"),
            ("optimizer", "adamw"),
            ("momentum", "0.9"),
            ("weight-decay", "0.03"),
            ("batch-size", "64"),
            ("flip", "alternate"),
            ("shift", "3"),
            ("label-smoothing", "0.1"),
            ("mixup", "0.4"),
            ("dropout", "0.3"),
            ("input-dropout", "0.2"),
            ("init", "he"),
            ("seed", "11"),
        ];
        let names: Vec<_> = Parameter::ALL.iter().map(|parameter| parameter.name()).collect();
        assert_eq!(texts.map(|(name, _)| name)[..], names);
        for (name, text) in texts {
            let config = if name == "weight-decay" { &adamw } else { &Config::default() };
            let (typed, found) = seen(name, text, config);
            assert_eq!(typed, found, "{name}");
        }
        for text in ["none", "50", "9-8-7"] {
            let (typed, found) = seen("hidden", text, &Config::default());
            assert_eq!(typed, found, "{text}");
        }
    }
}
