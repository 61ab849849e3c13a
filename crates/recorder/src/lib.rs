//! Takes down every call as raw bytes that survive the process, and turns them into records behind its way.
