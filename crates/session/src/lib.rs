//! Who is calling: session, turn, agent, and what a coding client says of its work. Pure: sees one request, keeps nothing.
