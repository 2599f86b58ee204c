//! The command line: what can be typed, and what it means, for the commands.

use clap::{CommandFactory, Parser, Subcommand};

use self::settings::documented;
use crate::config::Config;
use crate::config::preset::Preset;
use crate::config::settings::Taker;

pub use search::{ReproduceArgs, SearchAction, SearchArgs};
pub use tools::{
    DataCommand, EvaluateArgs, ExportArgs, FetchArgs, ImportArgs, InfoArgs, LrFindArgs, PredictArgs, ProfileArgs,
    ReportArgs,
};
pub use train::TrainArgs;
pub use verify::VerifyArgs;

mod search;
mod settings;
mod tools;
mod train;
mod verify;

const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  a check failed
   2  a flag, a configuration or a shape that cannot be used
   3  images that cannot be used
   4  records that cannot be written
   5  no GPU, or one that was lost or lacks memory
   6  the training diverged
   7  a damaged archive, or a download that failed
   8  a checkpoint or weights that are damaged, or of another training
   9  another process trains in the folder, or downloads into it
  10  too little memory, or too few threads, on this machine
  11  the device computed something wrong
  70  a bug in cyclone
 124  stopped by --max-time, the state saved
 129  stopped by SIGHUP (the terminal was closed), the state saved
 130  stopped by Ctrl-C, the state saved
 143  stopped by SIGTERM, the state saved";

/// Trains fully-connected CIFAR-10 classifiers on any GPU, with a CPU engine as reference
#[derive(Parser, Debug)]
#[command(version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Train a two-layer network and write its records to runs/
    #[command(after_help = EXIT_CODES, allow_negative_numbers = true, args_override_self = true)]
    Train(Box<TrainArgs>),
    /// Find a good range of learning rates by a test in which the rate grows
    #[command(name = "lr-find", after_help = EXIT_CODES, allow_negative_numbers = true, args_override_self = true)]
    LrFind(Box<LrFindArgs>),
    /// Classify images with a trained network
    #[command(after_help = EXIT_CODES)]
    Predict(PredictArgs),
    /// Score trained networks on labelled images, alone and as an ensemble: accuracy, calibration, confusion matrix
    #[command(after_help = EXIT_CODES)]
    Evaluate(EvaluateArgs),
    /// Export a trained network to ONNX, safetensors or npz
    #[command(after_help = EXIT_CODES)]
    Export(ExportArgs),
    /// Download, import or inspect images
    #[command(subcommand, after_help = EXIT_CODES)]
    Data(DataCommand),
    /// Train with many values of lambda, or of other settings, and rank the results
    #[command(after_help = EXIT_CODES, args_override_self = true, args_conflicts_with_subcommands = true)]
    Search(Box<SearchArgs>),
    /// Repeat the report's experiments and compare the results with the published ones
    #[command(after_help = EXIT_CODES, args_override_self = true)]
    Reproduce(ReproduceArgs),
    /// Draw runs, searches and other records as one page, report.html, and its charts as SVG and PNG
    #[command(after_help = EXIT_CODES)]
    Report(ReportArgs),
    /// Prove that the GPU computes the right thing: kernels, gradients, training
    #[command(after_help = EXIT_CODES, args_override_self = true)]
    Verify(VerifyArgs),
    /// Measure where the time goes on each device, and how close it comes to the device's peak
    #[command(after_help = EXIT_CODES)]
    Profile(ProfileArgs),
    /// List the GPUs that can be used, with the limits that matter
    Devices,
}

/// The command line with every setting's default in its help.
pub fn command() -> clap::Command {
    let (train, search) = (Config::default(), SearchArgs::defaults(Preset::Table1));
    Cli::command()
        .mut_subcommand("train", |command| documented(command, Taker::Train, &train))
        .mut_subcommand("search", |command| documented(command, Taker::Search, &search))
        .mut_subcommand("lr-find", |command| {
            let steps = "Number of steps [default: two epochs]";
            documented(command, Taker::LrFind, &train).mut_arg("steps", |arg| arg.help(steps))
        })
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;
    use crate::model::Hidden;

    /// The command that `cyclone NAME arguments…` is.
    pub fn parsed(name: &str, arguments: &[&str]) -> Result<Command, clap::Error> {
        let matches = command().try_get_matches_from([&["cyclone", name], arguments].concat())?;
        Ok(Cli::from_arg_matches(&matches)?.command)
    }

    fn config(arguments: &[&str]) -> Config {
        let Command::Train(args) = parsed("train", arguments).unwrap() else { panic!("not train") };
        args.config().unwrap()
    }

    #[test]
    fn the_definition_has_no_contradictions() {
        command().debug_assert();
    }

    #[test]
    fn without_flags_it_is_the_reports_best() {
        assert_eq!(config(&[]), Preset::Best.config());
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_preset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.toml");
        std::fs::write(&path, "hidden = 7\nlambda = 0.5\nepochs = 2\n").unwrap();
        let path = path.to_str().unwrap();
        let config = config(&["--preset", "figure-2", "--config", path, "--hidden", "9"]);
        let mut expected = Preset::Figure2.config();
        expected.hidden = Hidden::new(&[9]);
        expected.lambda = 0.5;
        (expected.cycles, expected.epochs) = (None, Some(2));
        assert_eq!(config, expected);
    }

    fn help(name: &str) -> String {
        let help = command().find_subcommand_mut(name).unwrap().render_long_help().to_string();
        help.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_setting_that_is_not_for_a_command_is_neither_shown_nor_taken() {
        for flag in ["--repeats=1", "--checkpoint-every=5", "--overfit-one-batch"] {
            let Command::Search(args) = parsed("search", &[flag]).unwrap() else { panic!("not search") };
            let error = args.search().unwrap_err();
            let flag = flag.split('=').next().unwrap();
            assert!(error.to_string().contains(&format!("{flag}: not for search")), "{error}");
            assert!(help("train").contains(&format!(" {flag} ")) && !help("search").contains(&format!(" {flag} ")));
        }
    }

    #[test]
    fn help_shows_the_defaults() {
        let help = help("train");
        for default in
            ["[default: 50]", "[default: 1,2,3,4,5]", "[default: auto]", "[default: 0.00895]", "[default: last]"]
        {
            assert!(help.contains(default), "{default} in {help}");
        }
    }
}
