//! What operators do with an execution as a whole: they hold it, and let it go on.

use super::Execution;

impl Execution {
    pub(super) fn pause(&mut self) -> Result<(), String> {
        if self.is_paused {
            return Err("the execution is paused".to_owned());
        }
        self.is_paused = true;
        Ok(())
    }

    pub(super) fn unpause(&mut self) -> Result<(), String> {
        if !self.is_paused {
            return Err("the execution is not paused".to_owned());
        }
        self.is_paused = false;
        Ok(())
    }
}
