//! What a training is to do, for all that trains: each setting declared once ([`settings`]), the report's experiments as
//! presets, and the types of settings.
//!
//! A configuration is built of layers over the same keys: the defaults, a preset, a file (`--config`), the flags. Each is
//! a [`Settings`], laid over what stands below it ([`Config::with`]).

mod declare;
pub mod device;
pub mod preset;
pub mod schedule;
pub mod settings;
pub mod spec;

pub use settings::{Config, Settings};

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::preset::Preset;
    use super::spec::Length;
    use super::*;
    use crate::data::spec::{Pick, Validation};
    use crate::model::Hidden;

    #[test]
    fn every_preset_survives_its_own_config_toml() {
        for &preset in Preset::value_variants() {
            let config = Config { steps: Some(7), overfit_one_batch: true, ..preset.config() };
            let settings: Settings = toml::from_str(&config.to_toml().unwrap()).unwrap();
            assert_eq!(Config { hidden: Hidden::new(&[3]), ..Preset::Figure2.config() }.with(settings), config);
        }
    }

    #[test]
    fn a_later_layer_replaces_the_other_way_of_saying_it() {
        let layer = Settings { epochs: Some(5), val_batches: Some(vec![2]), ..Settings::default() };
        let config = Config::default().with(layer);
        assert_eq!(config.length(), Length::Epochs(5));
        assert_eq!(config.data_spec().validation, Validation::Batches(vec![2]));
        let config = config.with(Settings { cycles: Some(1), val_images: Some(30), ..Settings::default() });
        assert_eq!(config.length(), Length::Cycles(1));
        assert_eq!(config.data_spec().validation, Validation::Images { count: 30, pick: Pick::Last });
        config.check().unwrap();
    }

    #[test]
    fn a_record_from_before_a_setting_was_there_has_its_default() {
        let now = Settings::from(&Preset::Figure2.config());
        let recorded = Settings { flip: None, shift: None, standardise: None, ..now.clone() };
        let recorded = Settings { schedule: None, warmup: None, init: None, ..recorded };
        assert_eq!(recorded.clone().deciding(), now.clone().deciding());
        assert_ne!(recorded.deciding(), Settings { shift: Some(1), ..now }.deciding());
    }

    #[test]
    fn a_pick_alone_keeps_the_count_and_needs_one() {
        let pick = || Settings { val_pick: Some(Pick::Random), ..Settings::default() };
        let config = Config::default().with(pick());
        assert_eq!(config.data_spec().validation, Validation::Images { count: 1000, pick: Pick::Random });
        let error = Preset::Figure1.config().with(pick()).check().unwrap_err();
        assert!(error.to_string().contains("--val-images"), "{error}");
    }
}
