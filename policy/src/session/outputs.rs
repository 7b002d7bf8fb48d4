//! Collects the outputs of a call of the engine.

use crate::Output;

/// The outputs of one call of the engine, in the order in which they are to be executed.
#[derive(Debug, Default)]
pub(crate) struct Outputs(Vec<Output>);

impl Outputs {
    pub(crate) fn push(&mut self, output: impl Into<Output>) {
        self.0.push(output.into());
    }

    pub(crate) fn extend<T: Into<Output>>(&mut self, outputs: impl IntoIterator<Item = T>) {
        self.0.extend(outputs.into_iter().map(Into::into));
    }

    pub(crate) fn into_vec(self) -> Vec<Output> {
        self.0
    }

    /// The outputs until now, which are removed.
    #[cfg(test)]
    pub(crate) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.0)
    }
}
