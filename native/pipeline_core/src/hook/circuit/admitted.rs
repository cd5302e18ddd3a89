use super::Circuit;
use crate::breaker::{Admission, Permit};
use crate::hook::listing::HookListing;
use crate::hook::verdict::counts_as_failure;
use crate::hook::{Cause, ContextFamily, HookKind};

/// A call of a hook, to be told how it ended. One that is dropped instead, as the future of a run can be,
/// leaves its place to another after a cool-down.
pub(in crate::hook) struct Admitted<'l>(Option<Watched<'l>>);

/// A call that a circuit let through.
struct Watched<'l> {
    listing: &'l HookListing,
    kind: HookKind,
    index: usize,
    circuit: &'l Circuit,
    permit: Permit,
    on_trial: bool,
}

impl<'l> Admitted<'l> {
    /// A call of a hook without a circuit.
    pub(in crate::hook) const FREELY: Self = Self(None);

    /// Asks a circuit for a call; `None` while it is open.
    pub(in crate::hook) fn ask(
        listing: &'l HookListing,
        kind: HookKind,
        index: usize,
        circuit: &'l Circuit,
    ) -> Option<Self> {
        let (permit, on_trial) = match circuit.admit() {
            Admission::Admitted(permit) => (permit, false),
            Admission::Trial(permit, moved) => {
                listing.tell(kind, index, circuit, moved);
                (permit, true)
            }
            Admission::Refused => return None,
        };
        Some(Self(Some(Watched {
            listing,
            kind,
            index,
            circuit,
            permit,
            on_trial,
        })))
    }

    /// The hook passed, or failed by itself.
    #[inline]
    pub(in crate::hook) fn ended<F: ContextFamily>(self, cause: Option<&Cause<F::Error>>) {
        if let Some(watched) = self.0 {
            watched.ended::<F>(cause);
        }
    }
}

impl Watched<'_> {
    fn ended<F: ContextFamily>(self, cause: Option<&Cause<F::Error>>) {
        let moved = match cause {
            Some(Cause::Aborted) => return,
            Some(cause) if counts_as_failure::<F>(cause) => self.circuit.failed(self.permit),
            _ if self.on_trial => self.circuit.passed(self.permit),
            _ => return,
        };
        let (kind, index) = (self.kind, self.index);
        self.listing.tell(kind, index, self.circuit, moved);
    }
}
