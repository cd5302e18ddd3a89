use super::metered::Metered;
use rustler::Resource;

/// A segment, held by a term.
pub(super) struct SegmentResource(pub(super) Metered);

#[rustler::resource_impl]
impl Resource for SegmentResource {}
