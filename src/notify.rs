//! Tells people: alerts to webhooks, from a thread of its own.
