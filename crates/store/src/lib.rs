//! What is recorded, and the traits by which it is written and read. Knows no database.
