//! Who is asking, and whether they may.

use std::sync::Arc;

use super::Service;
use crate::{
    access::{Denied, Identity, Scope},
    contract::{Caller, Error},
    workflow::{Decider, IdentityName},
};

/// Somebody who may do what they ask for.
pub(super) struct Asking {
    /// None where the host knows nobody.
    identity: Option<Arc<Identity>>,
    address: String,
}

impl Asking {
    /// For the audit trail: a name, or an address where there are no names.
    pub(super) fn shown(&self) -> String {
        match &self.identity {
            Some(identity) => identity.name.to_string(),
            None => self.address.clone(),
        }
    }

    /// None where the host knows nobody.
    pub(super) fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.clone()
    }

    /// Their name, if the host knows it.
    pub(super) fn name(&self) -> Option<IdentityName> {
        Some(self.identity.as_ref()?.name.clone())
    }

    /// Who decides, if the host knows who that is.
    pub(super) fn decider(&self) -> Option<Decider> {
        self.identity.as_deref().map(decider)
    }
}

/// An identity, as checkpoints look at it.
pub(super) fn decider(identity: &Identity) -> Decider {
    Decider {
        name: identity.name.clone(),
        groups: identity.groups().cloned().collect(),
    }
}

impl Service {
    /// Lets the caller do what needs this scope, or says why not.
    pub(super) fn allow(&self, caller: &Caller, scope: &Scope) -> Result<Asking, Error> {
        let identity = self.access.allow(caller.authorization.as_deref(), scope)?;
        Ok(Asking {
            identity,
            address: caller.address.clone(),
        })
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Refused(_) => Self::Unauthenticated,
            Denied::Lacks { .. } => Self::Forbidden(denied.to_string()),
        }
    }
}
