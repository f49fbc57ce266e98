//! What holds the rooms together; the tests are in `tests/`.
