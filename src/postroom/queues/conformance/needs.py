"""Cases of the common themes that ask for something that not every service has, and the capability it is.

A theme that is all about one capability asks for it itself (`require`); these stand among cases for everybody.
"""

from typing import Final

NEEDS: Final = {
    # A handler that runs longer than a lease.
    "test_lease_is_renewed_while_a_handler_runs": "extend",
    "test_lease_is_renewed_during_the_grace": "extend",
    "test_one_handler_runs_until_a_batch_is_done": "extend",
    "test_slow_batch_does_not_hold_up_the_others": "extend",
    "test_handler_that_runs_may_finish_while_paused": "extend",
    # Bytes as they were sent, to the last one.
    "test_message_of_128_000_bytes_is_stored": "whole_bodies",
    "test_batch_of_256_000_bytes_is_stored": "whole_bodies",
    "test_result_counts_before_the_new_message": "whole_bodies",
    "test_second_ack_changes_nothing": "whole_bodies",
    "test_metrics_count_everything_unacknowledged": "whole_bodies",
    # What is ready, delayed, in flight, expired.
    "test_late_settlement_changes_nothing": "counts",
    "test_message_whose_age_is_the_period_is_not_delivered": "counts",
    "test_counts_forget_what_expired": "counts",
    "test_delayed_message_expires_too": "counts",
    "test_purge_leaves_what_is_in_flight": "counts",
    "test_peek_shows_ready_messages_before_delayed_ones": "counts",
    "test_peek_shows_what_is_in_flight": "counts",
    "test_info_follows_messages_through_their_states": "counts",
    "test_info_tells_ended_leases_from_delays": "counts",
    "test_counts_agree": "counts",
    "test_many_are_moved_page_by_page": "counts",
    # When it comes due what another connection has delayed: who cannot ask for that asks again and again, in real time.
    "test_consumer_learns_of_a_delay_set_by_another": "counts",
    "test_consumer_goes_on_where_the_last_one_stopped": "counts",
    # A lapse that is told from a retry.
    "test_suspect_is_leased_alone": "suspects",
    "test_suspect_is_kept_from_a_busy_process": "suspects",
    "test_suspect_does_not_wait_for_a_whole_batch": "suspects",
    "test_suspect_that_is_given_back_is_one_still": "suspects",
    "test_consumer_handles_suspects_one_by_one": "suspects",
    "test_last_delivery_after_a_lapse_comes_alone": "suspects",
    "test_suspects_are_known_to_every_connection": "suspects",
    # Giving back at a stop.
    "test_handlers_beyond_the_grace_are_cancelled": "free_release",
    "test_given_back_messages_keep_their_place": "free_release",
    "test_what_an_interrupted_handler_decided_stands": "free_release",
    "test_clean_up_of_a_cancelled_handler_is_waited_for": "free_release",
    "test_grace_may_be_none_at_all": "free_release",
    "test_interrupted_handlers_messages_come_again": "free_release",
    # Parts of seconds.
    "test_delay_may_be_a_fraction_of_a_second": "fractions",
}
"""Name of the case to the field of `Capabilities`."""
