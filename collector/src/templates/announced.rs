//! Questions about announced option values that the store asks before it changes anything.

use netflow::options::{OptionValue, Options};

/// Longest application name kept, in bytes; a longer one is refused, so that a count of values bounds their memory.
const MAX_NAME_BYTES: usize = 256;

/// Whether this or another value for the same thing is in force, so that no more room is needed.
pub(super) fn is_announced(options: &Options, value: &OptionValue) -> bool {
    match value {
        OptionValue::Sampling { scope, .. } => options.sampling.get(scope).is_some(),
        OptionValue::Application { id, .. } => options.applications.contains_key(id),
        OptionValue::SystemInit { .. } => options.system_init_ms.is_some(),
    }
}

/// Whether a value takes no more memory than any value may.
pub(super) fn fits(value: &OptionValue) -> bool {
    match value {
        OptionValue::Sampling { .. } | OptionValue::SystemInit { .. } => true,
        OptionValue::Application { name, .. } => name.len() <= MAX_NAME_BYTES,
    }
}

/// How many values are in force.
pub(super) fn count_values(options: &Options) -> usize {
    options.sampling.len() + options.applications.len() + usize::from(options.system_init_ms.is_some())
}
