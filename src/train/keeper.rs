//! Who keeps a training's states, and who shares its weights.

use super::state::State;
use crate::error::{Error, Result};
use crate::model::params::Params;
use crate::util::signals::Signals;

/// Keeps a training's states, and may end it between two chunks. The default does neither.
pub trait Keeper {
    /// Steps between two calls of [`Self::save`], beside those at the end of every cycle and of the training.
    fn every(&self) -> Option<u64> {
        None
    }

    /// Why the training must end after `step` steps, if it must. Its state is saved first.
    fn stop(&self, _step: u64) -> Option<Error> {
        None
    }

    /// Saves a state. All its weights are finite.
    fn save(&mut self, _state: &State) -> Result<()> {
        Ok(())
    }

    /// Whether it wants the states of the best evaluations.
    fn holds_best(&self) -> bool {
        false
    }

    /// Takes the state of the best evaluation so far. All its weights are finite.
    fn hold(&mut self, _state: State) {}
}

/// Keeps nothing.
impl Keeper for () {}

/// Keeps nothing, and ends the training at a signal.
impl Keeper for Signals {
    fn stop(&self, step: u64) -> Option<Error> {
        self.caught(format_args!("step {step}"))
    }
}

/// Other processes that train the same models.
pub trait Peers {
    /// Replaces the weights after `step` steps, all finite, by their means over all processes: at the end of every cycle and
    /// of the training, before anything else there.
    fn average(&mut self, params: &mut [Params], step: u64) -> Result<()>;
}
