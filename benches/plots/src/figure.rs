//! What the figures are called, and what their axes show.

use crate::axis::{Axis, Unit};

pub(crate) struct Figure {
    /// As the points and the file call it.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

pub(crate) fn find(name: &str) -> Option<&'static Figure> {
    ALL.iter().find(|figure| figure.name == name)
}

const fn axis(label: &'static str, unit: Unit) -> Axis {
    Axis { label, unit }
}

pub(crate) const ALL: &[Figure] = &[
    Figure {
        name: "dispatch",
        title: "One run of a chain of hooks that count",
        x: axis("hooks in the chain", Unit::Count),
        y: axis("time of a run", Unit::Nanoseconds),
    },
    Figure {
        name: "dispatch-per-hook",
        title: "The same, divided by the number of hooks",
        x: axis("hooks in the chain", Unit::Count),
        y: axis("time for each hook", Unit::Nanoseconds),
    },
    Figure {
        name: "work-redact",
        title: "One hook that redacts a text, four patterns",
        x: axis("length of the text", Unit::Bytes),
        y: axis("time of a run", Unit::Nanoseconds),
    },
    Figure {
        name: "work-fields",
        title: "One hook that drops fields of a map",
        x: axis("fields dropped, of twice as many", Unit::Count),
        y: axis("time of a run", Unit::Nanoseconds),
    },
    Figure {
        name: "readers-registry",
        title: "Look-ups by capability, 10,000 plugins",
        x: axis("reading processes", Unit::Count),
        y: axis("look-ups per second, all together", Unit::PerSecond),
    },
    Figure {
        name: "readers-chain",
        title: "Runs of a chain of 8 hooks",
        x: axis("reading processes or threads", Unit::Count),
        y: axis("runs per second, all together", Unit::PerSecond),
    },
    Figure {
        name: "plugins-lookup",
        title: "One look-up by capability",
        x: axis("plugins registered", Unit::Count),
        y: axis("time of a look-up", Unit::Nanoseconds),
    },
    Figure {
        name: "plugins-order",
        title: "Load order of plugins with five dependencies each",
        x: axis("plugins", Unit::Count),
        y: axis("time", Unit::Nanoseconds),
    },
];
