//! What calls cost: usage, a catalogue of prices, integer nano-USD. Pure: reads no clock, no file, no network.
//!
//! A call's provider, model and time give a [`Quote`] out of a [`Catalogue`]; a quote and the call's usage give a
//! [`Cost`]. What is not known stays unknown with a reason ([`Unknown`]) and never becomes 0. How much a key may use is counted
//! by a [`Gauge`]. Nothing here counts tokens, keeps budgets or talks to a provider.

mod catalogue;
mod cost;
mod decimal;
mod moment;
mod names;
mod nano;
pub mod openrouter;
mod overrides;
mod price;
mod prices;
mod rate;
mod told;

pub use catalogue::{Catalogue, DataError, Facts, Quote};
pub use cost::{Basis, Cost, Media, Part, Share, Terms, Unknown, cost};
pub use decimal::{NotAPrice, Rate};
pub use moment::{Date, Hours, Moment, NotADate, NotHours};
pub use nano::Nano;
pub use overrides::{Override, OverrideError};
pub use price::{Long, Model, Per, Price, Rates, Tier, ToolPrice, Window};
pub use prices::{Prices, PricesError};
pub use rate::{Exceeded, Gauge, Limit, Limits};
pub use told::{terms, told};
