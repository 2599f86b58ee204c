//! Flags of `verify`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::device::{Adapter, Choice};
use crate::config::preset::Preset;
use crate::config::{Config, Settings};
use crate::data::spec::Source;
use crate::error::{Error, Result};
use crate::terminal::quoted;
use crate::verify::{Level, own_run};

/// Flags of `verify`.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag, as it is typed")]
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Small shapes and the report's own, under a minute on two cores with a software driver; the default
    #[arg(long, help_heading = "Checks", conflicts_with = "full")]
    pub quick: bool,
    /// Every real shape and a whole cycle as well, some minutes on a real GPU
    #[arg(long, help_heading = "Checks")]
    pub full: bool,
    /// Run only the check of this name, or all whose names contain it
    #[arg(long, help_heading = "Checks", value_name = "NAME")]
    pub case: Option<String>,
    /// Instead, break the shaders in every known way, and fail if the checks miss one
    #[arg(long, help_heading = "Checks", conflicts_with_all = ["quick", "full", "case", "shaders", "training"])]
    pub mutants: bool,
    /// Use the files of this folder, NAME.wgsl or update/NAME.wgsl, instead of the built-in ones
    #[arg(long, help_heading = "Checks", value_name = "DIR")]
    pub shaders: Option<PathBuf>,

    /// Instead, write every kernel of some shapes into this new folder, for compilers: WGSL, SPIR-V, HLSL, MSL. Needs no GPU
    #[arg(long, help_heading = "Checks", value_name = "DIR",
          conflicts_with_all = ["quick", "full", "case", "mutants", "training", "device", "json", "out"])]
    pub emit: Option<PathBuf>,

    /// Instead, train this run's configuration on both GPU and CPU, and compare after every step
    #[arg(long, help_heading = "Own run", value_name = "DIR", group = "training", conflicts_with_all = ["quick", "full", "case"])]
    pub run: Option<PathBuf>,
    /// The same for an experiment of the report
    #[arg(long, help_heading = "Own run", group = "training", conflicts_with_all = ["quick", "full", "case"])]
    pub preset: Option<Preset>,
    /// Train on these images, not on the configuration's own: auto, synthetic, or a path
    #[arg(long, help_heading = "Own run", requires = "training")]
    pub data: Option<Source>,
    /// How many steps
    #[arg(long, help_heading = "Own run", value_name = "K", default_value_t = 50, requires = "training",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub steps: u64,

    /// gpu, gpu:N, or a part of an adapter's name
    #[arg(long, help_heading = "Device", default_value = "gpu")]
    pub device: Choice,

    /// Print one JSON document instead of tables
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Where to save the inputs and outputs of kernels that fail
    #[arg(long, help_heading = "Output", value_name = "DIR", default_value = "verify-failures")]
    pub out: PathBuf,
}

impl VerifyArgs {
    /// How much to check.
    pub fn level(&self) -> Level {
        if self.full { Level::Full } else { Level::Quick }
    }

    /// The adapter. `auto` is the best one, as `gpu` is: there is no other choice here.
    pub fn adapter(&self) -> Result<Adapter> {
        match &self.device {
            Choice::Gpu(choice) => Ok(choice.clone()),
            Choice::Auto => Ok(Adapter::Any),
            Choice::Cpu => Err(Error::Usage(
                "--device cpu: the CPU engine is what GPUs are compared with; expected gpu, gpu:N or a part of an \
                 adapter's name"
                    .into(),
            )),
        }
    }

    /// The user's own training, if one is to be compared.
    pub fn training(&self) -> Result<Option<Config>> {
        let config = match (&self.run, self.preset) {
            (Some(run), _) => Some(own_run::config(run)?),
            (None, preset) => preset.map(Preset::config),
        };
        let data = Settings { data: self.data.clone(), ..Settings::default() };
        Ok(config.map(|config| config.with(data)))
    }

    /// The command that repeats just the check `name`.
    pub fn repeat(&self, name: &str) -> String {
        let mut command = "cyclone verify".to_owned();
        if self.full {
            command.push_str(" --full");
        }
        let mut flag = |name: &str, value: &str| command.extend([" ", name, " ", &quoted(Path::new(value))]);
        if self.device != Choice::Gpu(Adapter::Any) {
            flag("--device", &self.device.to_string());
        }
        if let Some(folder) = &self.shaders {
            flag("--shaders", &folder.display().to_string());
        }
        flag("--case", name);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::flags::{Command, tests};

    fn parsed(arguments: &[&str]) -> Result<VerifyArgs, clap::Error> {
        let Command::Verify(args) = tests::parsed("verify", arguments)? else { panic!("not verify") };
        Ok(args)
    }

    #[test]
    fn the_command_that_repeats_a_check_has_the_flags_that_matter() {
        let repeat = |arguments: &[&str]| parsed(arguments).unwrap().repeat("forward/D1");
        assert_eq!(repeat(&["--quick", "--json"]), "cyclone verify --case forward/D1");
        let arguments = ["--full", "--device", "NVIDIA H100", "--shaders", "it's", "--case", "forward"];
        let expected = r"cyclone verify --full --device 'NVIDIA H100' --shaders 'it'\''s' --case forward/D1";
        assert_eq!(repeat(&arguments), expected);
    }

    #[test]
    fn flags_of_different_questions_exclude_each_other() {
        for arguments in [
            &["--quick", "--full"][..],
            &["--mutants", "--case", "forward"],
            &["--mutants", "--run", "runs/x"],
            &["--run", "runs/x", "--case", "forward"],
            &["--emit", "x", "--device", "gpu"],
            &["--emit", "x", "--case", "forward"],
            &["--run", "runs/x", "--preset", "best"],
            &["--steps", "3"],
            &["--preset", "best", "--steps", "0"],
        ] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
        assert_eq!(parsed(&["--preset", "best", "--steps", "3"]).unwrap().steps, 3);
    }

    #[test]
    fn the_cpu_engine_is_not_verified_against_itself() {
        assert_eq!(parsed(&["--device", "cpu"]).unwrap().adapter().unwrap_err().exit_code(), 2);
        assert_eq!(parsed(&["--device", "auto"]).unwrap().adapter().unwrap(), Adapter::Any);
    }
}
