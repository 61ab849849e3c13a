//! Finds secrets in text and masks them, by their value and shape. Pure: reads and writes nothing.
