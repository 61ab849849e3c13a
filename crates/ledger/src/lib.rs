//! What calls cost: usage, a catalogue of prices, integer nano-USD. Pure: reads no clock and no file.
