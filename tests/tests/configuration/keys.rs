//! No dead keys: every key of the configuration has a test that sets it and sees the binary behave
//! differently, and the product's sources read it.
//!
//! The keys come from `docs/reference/configuration.schema.json`, which a test of `conf` holds to
//! the types.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use marchproxy_tests::repository::{at, is_a_test, read};
use serde_json::Value;

/// A key, then the tests that prove its effect: `BINARY::MODULE::FUNCTION`.
const PROOFS: &str = "
listeners                             reload::listeners::a_listener_is_added_and_serves_at_once
listeners[].name                      reload::listeners::two_listeners_swap_their_ports
listeners[].address                   serving::routing::a_proxy_for_ipv6_takes_ipv4_as_well serving::unix::every_version_is_spoken_by_a_client_that_is_on_this_machine
listeners[].socket_mode               serving::unix::its_permissions_are_those_that_are_told_and_change_with_a_reload
listeners[].protocol                  configuration::effects::a_listener_speaks_only_the_version_it_is_told configuration::effects::a_tls_listener_speaks_only_the_version_it_is_told
listeners[].tls                       reload::listeners::a_listener_turns_from_plain_text_to_tls_on_its_port
listeners[].tls.certificates          tls::certificates::the_name_a_client_asks_for_chooses_the_certificate
listeners[].tls.minimum               tls::listener::older_versions_are_refused
listeners[].tls.clients               tls::clients::a_client_must_have_a_certificate_of_the_authority
listeners[].tls.clients.verify        tls::clients::an_optional_certificate_is_verified_when_there_is_one
listeners[].tls.clients.ca            tls::clients::a_client_must_have_a_certificate_of_the_authority
listeners[].tls.clients.crl           tls::clients::a_revoked_certificate_is_refused
listeners[].tls.clients.depth         tls::clients::a_chain_may_be_as_deep_as_told_and_no_deeper
listeners[].tls.tickets               tls::tickets::a_session_is_resumed_also_after_a_reload
listeners[].tls.tickets.mode          tls::tickets::without_tickets_each_handshake_is_a_full_one
listeners[].tls.tickets.rotate        tls::tickets::what_a_key_of_the_listener_sealed_is_no_use_when_its_time_is_over
listeners[].tls.tickets.keys          tls::tickets::proxies_with_the_same_keys_resume_each_others_sessions
listeners[].tls.tickets.keys.file     tls::tickets::proxies_with_the_same_keys_resume_each_others_sessions
listeners[].tls.tickets.keys.env      tls::tickets::keys_may_come_from_the_environment
listeners[].tls.policies              tls::policies::the_name_that_is_asked_for_decides_the_version_and_the_client_certificate
listeners[].tls.policies[].names      tls::policies::the_name_that_is_asked_for_decides_the_version_and_the_client_certificate
listeners[].tls.policies[].minimum    tls::policies::the_name_that_is_asked_for_decides_the_version_and_the_client_certificate
listeners[].tls.policies[].clients    tls::policies::the_name_that_is_asked_for_decides_the_version_and_the_client_certificate
listeners[].tls.policies[].clients.verify tls::policies::a_certificate_that_was_verified_on_the_same_terms_reaches_the_host
listeners[].tls.policies[].clients.ca tls::policies::the_name_that_is_asked_for_decides_the_version_and_the_client_certificate
listeners[].tls.policies[].clients.crl tls::clients::sessions_without_certificates_go_on_when_a_list_changes
listeners[].tls.policies[].clients.depth tls::policies::a_policy_has_its_own_depth
listeners[].tls.passthrough           tls::passthrough::the_client_and_the_endpoint_speak_tls_with_each_other
listeners[].tls.passthrough[].names   tls::passthrough::the_client_and_the_endpoint_speak_tls_with_each_other
listeners[].tls.passthrough[].upstream tls::passthrough::the_client_and_the_endpoint_speak_tls_with_each_other
listeners[].proxy_protocol            serving::proxy_protocol::the_client_is_whom_the_header_names
listeners[].proxy_protocol.from       serving::proxy_protocol::connections_from_elsewhere_are_closed_with_and_without_a_header
listeners[].proxy_protocol.timeout    serving::proxy_protocol::a_header_that_is_cut_off_or_late_is_counted_and_silence_is_not
listeners[].proxy_protocol.others     serving::proxy_protocol::others_may_be_allowed_as_clients_but_not_with_a_header
listeners[].connections               resilience::connections::more_connections_than_allowed_are_closed_and_room_is_given_back
listeners[].connections.total         resilience::connections::more_connections_than_allowed_are_closed_and_room_is_given_back
listeners[].connections.per_source    resilience::connections::a_source_at_its_limit_leaves_the_others_alone
listeners[].connections.handshake     tls::listener::a_handshake_has_a_deadline
listeners[].connections.keep_alive    resilience::clients::an_idle_connection_is_closed_without_a_word
listeners[].connections.http2_streams conformance::frames::rfc9113_5_1_2_more_streams_than_allowed_are_refused
listeners[].requests                  reload::listeners::changed_limits_hold_for_new_requests_without_cutting_connections
listeners[].requests.head_time        resilience::clients::a_head_that_drips_gets_408_at_its_deadline
listeners[].requests.head_size        resilience::limits::a_head_may_be_as_long_as_told_and_no_longer
listeners[].requests.target_size      resilience::limits::a_target_may_be_as_long_as_told_and_no_longer
listeners[].requests.fields           resilience::limits::fields_may_be_as_many_as_told_and_no_more
listeners[].requests.body_size        resilience::limits::a_declared_body_that_is_too_long_is_refused_at_its_head resilience::limits::a_streamed_body_is_counted
listeners[].requests.body_idle        resilience::clients::a_body_that_stops_gets_408
listeners[].requests.answer_idle      resilience::clients::a_client_that_does_not_read_is_cut_off
certificates                          tls::certificates::the_name_a_client_asks_for_chooses_the_certificate
certificates[].name                   tls::certificates::the_name_a_client_asks_for_chooses_the_certificate
certificates[].chain                  tls::certificates::a_renewed_certificate_is_shown_without_a_restart
certificates[].key                    tls::certificates::a_renewed_certificate_is_shown_without_a_restart
certificates[].key.file               tls::certificates::a_renewed_certificate_is_shown_without_a_restart
certificates[].key.env                configuration::effects::a_key_may_come_from_the_environment
certificates[].ocsp                   tls::ocsp::an_answer_that_says_good_is_stapled
certificates[].ocsp.responder         tls::ocsp::an_answer_that_says_good_is_stapled
certificates[].ocsp.issuer            tls::ocsp::nobody_to_ask_or_to_believe_is_an_error
certificates[].ocsp.cache             tls::ocsp::a_kept_answer_is_there_at_the_next_start_and_verified_again
trusted_proxies                       serving::trust::a_trusted_peer_is_believed_and_appended_to
routes                                reload::reloads::routes_and_upstreams_change_for_the_next_request_of_a_kept_connection
routes[].name                         serving::logs::a_line_tells_all_of_a_request
routes[].listeners                    serving::routing::a_route_belongs_to_the_listeners_it_names
routes[].match                        serving::routing::the_most_specific_path_wins_whatever_the_order
routes[].match.host                   serving::routing::hosts_are_exact_then_wildcard_then_any
routes[].match.path                   serving::routing::the_most_specific_path_wins_whatever_the_order
routes[].match.methods                serving::routing::methods_headers_and_queries_choose_among_routes_of_one_path
routes[].match.headers                serving::routing::methods_headers_and_queries_choose_among_routes_of_one_path
routes[].match.headers[].name         configuration::effects::conditions_compare_names_and_values
routes[].match.headers[].value        configuration::effects::conditions_compare_names_and_values
routes[].match.query                  serving::routing::methods_headers_and_queries_choose_among_routes_of_one_path
routes[].match.query[].name           configuration::effects::conditions_compare_names_and_values
routes[].match.query[].value          configuration::effects::conditions_compare_names_and_values
routes[].upstream                     configuration::examples::a_folder_of_files
routes[].split                        upstreams::second::a_share_of_the_requests_goes_to_another_upstream_and_so_do_those_with_a_header
routes[].split[].upstream             upstreams::second::a_share_of_the_requests_goes_to_another_upstream_and_so_do_those_with_a_header
routes[].split[].share                upstreams::second::a_share_of_the_requests_goes_to_another_upstream_and_so_do_those_with_a_header
routes[].mirror                       upstreams::second::a_mirror_gets_a_copy_with_its_body_and_changes_nothing
routes[].mirror.upstream              upstreams::second::a_mirror_gets_a_copy_with_its_body_and_changes_nothing
routes[].mirror.share                 upstreams::second::a_share_of_the_requests_is_mirrored
policies                              serving::policies::who_may_not_pass_gets_403_and_the_origin_hears_nothing
policies[].name                       serving::policies::who_may_not_pass_gets_403_and_the_origin_hears_nothing
policies[].api_keys                   serving::identity::who_has_a_key_is_known_and_who_has_none_gets_401
policies[].api_keys.hash_key          serving::identity::the_hash_is_one_that_openssl_makes_too
policies[].api_keys.hash_key.file     serving::identity::who_has_a_key_is_known_and_who_has_none_gets_401
policies[].api_keys.hash_key.env      serving::identity::the_secret_may_be_in_the_environment
policies[].api_keys.header            serving::identity::the_field_may_be_another_and_may_be_passed_on
policies[].api_keys.forwarding        serving::identity::the_field_may_be_another_and_may_be_passed_on
policies[].api_keys.keys              serving::identity::who_has_a_key_is_known_and_who_has_none_gets_401
policies[].api_keys.keys[].consumer   serving::identity::who_has_a_key_is_known_and_who_has_none_gets_401
policies[].api_keys.keys[].id         serving::identity::who_has_a_key_is_known_and_who_has_none_gets_401
policies[].api_keys.keys[].hash       serving::identity::the_hash_is_one_that_openssl_makes_too
policies[].api_keys.keys[].expires    serving::identity::a_key_ends_when_its_day_begins_and_when_it_is_taken_out
policies[].access.allow[].consumers   serving::identity::who_has_a_key_is_known_and_who_has_none_gets_401
policies[].access.deny[].consumers    serving::identity::who_has_a_key_is_known_and_who_has_none_gets_401
policies[].access                     serving::policies::who_may_not_pass_gets_403_and_the_origin_hears_nothing
policies[].access.allow               serving::policies::who_may_not_pass_gets_403_and_the_origin_hears_nothing
policies[].access.allow[].networks    serving::policies::who_may_not_pass_gets_403_and_the_origin_hears_nothing
policies[].access.allow[].methods     serving::policies::a_rule_is_about_methods_networks_or_both
policies[].access.deny                serving::policies::who_may_not_pass_gets_403_and_the_origin_hears_nothing
policies[].access.deny[].networks     serving::policies::who_may_not_pass_gets_403_and_the_origin_hears_nothing
policies[].access.deny[].methods      serving::policies::who_may_not_pass_gets_403_and_the_origin_hears_nothing
policies[].limit                      serving::policies::whoever_comes_too_often_gets_429_and_is_told_when_to_come_again
policies[].limit.rate                 serving::policies::whoever_comes_too_often_gets_429_and_is_told_when_to_come_again
policies[].limit.burst                serving::policies::a_key_is_what_is_said
policies[].limit.key                  serving::policies::a_key_is_what_is_said
policies[].limit.header               serving::policies::a_key_is_what_is_said
policies[].limit.ipv4                 serving::policies::a_key_is_what_is_said
policies[].limit.ipv6                 serving::policies::a_key_is_what_is_said
routes[].policies                     serving::policies::who_may_not_pass_gets_403_and_the_origin_hears_nothing
process.limit_keys                    serving::policies::fewer_keys_than_clients_are_counted_as_forgotten
routes[].hedge                        upstreams::second::a_second_endpoint_is_asked_when_the_first_takes_long_and_the_first_to_answer_is_heard
routes[].request_buffer               serving::bodies::a_slow_client_holds_no_endpoint_when_its_body_is_taken_first
routes[].redirect                     serving::rewriting::redirects_keep_what_they_do_not_change
routes[].redirect.scheme              serving::rewriting::redirects_keep_what_they_do_not_change
routes[].redirect.host                serving::rewriting::redirects_keep_what_they_do_not_change
routes[].redirect.path                serving::rewriting::redirects_keep_what_they_do_not_change
routes[].redirect.status              serving::rewriting::redirects_keep_what_they_do_not_change
routes[].respond                      serving::routing::fixed_answers_have_their_status_type_and_body
routes[].respond.status               serving::routing::fixed_answers_have_their_status_type_and_body
routes[].respond.body                 serving::routing::fixed_answers_have_their_status_type_and_body
routes[].respond.content_type         configuration::effects::a_fixed_answer_has_its_media_type
routes[].rewrite                      serving::rewriting::prefixes_are_stripped_and_added
routes[].rewrite.strip_prefix         serving::rewriting::prefixes_are_stripped_and_added
routes[].rewrite.add_prefix           serving::rewriting::prefixes_are_stripped_and_added
routes[].rewrite.path                 serving::rewriting::prefixes_are_stripped_and_added
routes[].request_headers              serving::rewriting::fields_are_removed_then_set_then_added_both_ways
routes[].request_headers.remove       serving::rewriting::fields_are_removed_then_set_then_added_both_ways
routes[].request_headers.set          serving::rewriting::fields_are_removed_then_set_then_added_both_ways
routes[].request_headers.add          serving::rewriting::fields_are_removed_then_set_then_added_both_ways
routes[].response_headers             serving::rewriting::fields_are_removed_then_set_then_added_both_ways
routes[].response_headers.remove      serving::rewriting::fields_are_removed_then_set_then_added_both_ways
routes[].response_headers.set         serving::rewriting::fields_are_removed_then_set_then_added_both_ways
routes[].response_headers.add         serving::rewriting::fields_are_removed_then_set_then_added_both_ways
routes[].timeout                      resilience::origins::the_time_of_the_whole_request_bounds_a_dripping_answer
routes[].body_size                    resilience::limits::a_route_may_have_a_limit_of_its_own
routes[].cache                        cache::storing::routes_of_one_url_do_not_share_their_answers
routes[].cache.default                cache::storing::what_does_not_say_how_long_it_is_fresh_is_kept_only_by_default
routes[].cache.stale_while_revalidate cache::freshness::a_stale_answer_is_used_while_a_fresh_one_is_fetched
routes[].cache.stale_if_error         cache::freshness::a_stale_answer_stands_in_for_an_origin_that_fails
routes[].cache.wait                   cache::sharing::a_request_waits_no_longer_than_told
routes[].cache.credentials            cache::storing::what_is_for_one_client_is_not_kept
routes[].cache.client_control         cache::storing::a_client_may_insist_on_the_origin_where_that_counts
routes[].cache.tag_field              cache::operator::answers_are_purged_by_url_by_tag_and_all_at_once
routes[].cache.control_field          cache::storing::fields_for_the_cache_alone_count_and_are_not_passed_on
routes[].compress                     serving::compression::every_coding_comes_out_whole_at_another_implementation
routes[].compress.codings             serving::compression::the_client_chooses_and_the_first_of_what_it_likes_equally_is_used
routes[].compress.least               serving::compression::what_is_short_or_of_another_type_stays_as_it_is
routes[].compress.types               serving::compression::what_is_short_or_of_another_type_stays_as_it_is
routes[].compress.level               serving::compression::a_level_trades_time_for_size
routes[].compress.authenticated       serving::compression::what_may_hold_secrets_is_coded_only_where_that_is_allowed
routes[].decompress                   serving::decompression::an_answer_is_decoded_for_who_does_not_take_its_coding
routes[].decompress.limit             serving::decompression::a_bomb_is_broken_off_and_counted
routes[].decompress.ratio             serving::decompression::a_bomb_is_broken_off_and_counted
routes[].decompress.requests          serving::decompression::requests_are_decoded_only_where_that_is_asked_for
routes[].grpc_web                     serving::grpc_web::a_call_becomes_one_of_grpc_and_its_trailers_the_last_frame
routes[].grpc_web.origins             serving::grpc_web::pages_that_are_named_may_call_and_no_others
routes[].error_pages                  serving::pages::pages_of_the_route_come_before_those_of_all
routes[].error_pages[].statuses       configuration::effects::a_page_is_for_its_statuses_and_has_its_media_type
routes[].error_pages[].file           serving::pages::pages_of_the_route_come_before_those_of_all
routes[].error_pages[].content_type   serving::pages::pages_of_the_route_come_before_those_of_all
upstreams                             reload::reloads::routes_and_upstreams_change_for_the_next_request_of_a_kept_connection
upstreams[].name                      serving::logs::a_line_tells_all_of_a_request
upstreams[].endpoints                 serving::upstreams::endpoints_take_turns
upstreams[].endpoints[].address       serving::upstreams::weights_are_shares serving::unix_endpoints::each_version_is_spoken_and_tls_and_the_proxy_protocol_before_it
upstreams[].endpoints[].weight        serving::upstreams::weights_are_shares configuration::effects_resolver::an_address_of_a_name_has_the_weight_of_the_name
upstreams[].endpoints[].dns           serving::upstreams::names_are_looked_up
upstreams[].endpoints[].port          serving::upstreams::names_are_looked_up
upstreams[].balance                   upstreams::balance::the_endpoint_with_fewer_requests_is_taken
upstreams[].hash                      upstreams::balance::the_same_key_leads_to_the_same_endpoint_and_few_move_when_one_goes
upstreams[].hash.by                   upstreams::balance::the_same_key_leads_to_the_same_endpoint_and_few_move_when_one_goes
upstreams[].hash.name                 upstreams::balance::the_same_key_leads_to_the_same_endpoint_and_few_move_when_one_goes
upstreams[].hash.bound                upstreams::balance::a_key_that_everyone_asks_for_overloads_nobody
upstreams[].sticky                    upstreams::balance::a_client_comes_back_to_its_endpoint_by_a_signed_cookie
upstreams[].sticky.cookie             upstreams::balance::a_client_comes_back_to_its_endpoint_by_a_signed_cookie
upstreams[].sticky.key                upstreams::balance::a_client_comes_back_to_its_endpoint_by_a_signed_cookie
upstreams[].sticky.key.file           upstreams::balance::a_client_comes_back_to_its_endpoint_by_a_signed_cookie
upstreams[].sticky.key.env            configuration::effects::a_key_may_come_from_the_environment
upstreams[].sticky.age                upstreams::balance::a_client_comes_back_to_its_endpoint_by_a_signed_cookie
upstreams[].local                     upstreams::balance::endpoints_of_the_own_zone_are_preferred_while_enough_of_them_are_well
upstreams[].endpoints[].zone          upstreams::balance::endpoints_of_the_own_zone_are_preferred_while_enough_of_them_are_well
upstreams[].health                    upstreams::health::an_endpoint_that_is_not_well_gets_nothing_until_it_is
upstreams[].health.http               upstreams::health::an_endpoint_that_is_not_well_gets_nothing_until_it_is
upstreams[].health.grpc               upstreams::health::a_grpc_check_against_a_plain_server_says_why_it_fails
upstreams[].health.host               upstreams::health::statuses_host_and_port_of_a_check_are_as_told
upstreams[].health.statuses           upstreams::health::statuses_host_and_port_of_a_check_are_as_told
upstreams[].health.port               upstreams::health::statuses_host_and_port_of_a_check_are_as_told
upstreams[].health.every              upstreams::health::an_endpoint_that_is_not_well_gets_nothing_until_it_is
upstreams[].health.jitter             upstreams::health::pauses_between_checks_differ
upstreams[].health.timeout            upstreams::health::a_check_that_takes_too_long_has_failed
upstreams[].health.up                 upstreams::health::it_takes_as_many_results_in_a_row_as_told
upstreams[].health.down               upstreams::health::it_takes_as_many_results_in_a_row_as_told
upstreams[].ejection                  upstreams::ejection::failures_in_a_row_eject_an_endpoint_and_it_comes_back
upstreams[].ejection.consecutive      upstreams::ejection::failures_in_a_row_eject_an_endpoint_and_it_comes_back
upstreams[].ejection.failures         upstreams::ejection::one_that_fails_more_often_than_the_others_is_ejected
upstreams[].ejection.slow             upstreams::ejection::one_that_is_slower_than_the_others_is_ejected
upstreams[].ejection.period           upstreams::ejection::one_that_fails_more_often_than_the_others_is_ejected
upstreams[].ejection.requests         upstreams::ejection::one_with_few_answers_is_not_compared
upstreams[].ejection.time             upstreams::ejection::an_endpoint_is_out_for_longer_each_time_and_no_longer_than_the_longest
upstreams[].ejection.longest          upstreams::ejection::an_endpoint_is_out_for_longer_each_time_and_no_longer_than_the_longest
upstreams[].ejection.share            upstreams::ejection::no_more_than_the_share_are_ejected
upstreams[].panic                     upstreams::health::all_are_used_when_too_few_are_well
upstreams[].breaker                   upstreams::breaker::a_breaker_opens_is_probed_and_closes
upstreams[].breaker.failures          upstreams::breaker::a_smaller_share_of_failures_leaves_it_closed_and_old_ones_are_forgotten
upstreams[].breaker.window            upstreams::breaker::a_smaller_share_of_failures_leaves_it_closed_and_old_ones_are_forgotten
upstreams[].breaker.requests          upstreams::breaker::a_breaker_opens_is_probed_and_closes
upstreams[].breaker.open              upstreams::breaker::a_breaker_opens_is_probed_and_closes
upstreams[].breaker.probes            upstreams::breaker::a_breaker_opens_is_probed_and_closes
upstreams[].slow_start                upstreams::balance::an_endpoint_comes_to_its_share_slowly
upstreams[].retry                     upstreams::retry::an_idempotent_request_is_tried_again_with_its_body_after_a_status_a_reset_or_silence
upstreams[].retry.attempts            upstreams::retry::an_endpoint_is_tried_once_and_no_more_often_than_told
upstreams[].retry.on                  upstreams::retry::a_failure_that_is_not_listed_is_not_tried_again
upstreams[].retry.statuses            upstreams::retry::an_idempotent_request_is_tried_again_with_its_body_after_a_status_a_reset_or_silence
upstreams[].retry.budget              upstreams::retry::retries_are_bounded_by_the_budget
upstreams[].retry.floor               upstreams::retry::retries_are_bounded_by_the_budget
upstreams[].retry.attempt_time        upstreams::retry::an_idempotent_request_is_tried_again_with_its_body_after_a_status_a_reset_or_silence
upstreams[].retry.pause               upstreams::retry::there_is_a_pause_before_a_retry
upstreams[].retry.buffer              upstreams::retry::a_body_that_is_longer_than_the_buffer_is_not_sent_again
upstreams[].limits                    upstreams::limits::more_requests_wait_for_their_turn
upstreams[].limits.requests           upstreams::limits::more_requests_wait_for_their_turn
upstreams[].limits.adaptive           upstreams::limits::a_limit_adapts_to_how_long_answers_take
upstreams[].limits.adaptive.least     upstreams::limits::a_limit_adapts_to_how_long_answers_take
upstreams[].limits.adaptive.most      upstreams::limits::a_limit_adapts_to_how_long_answers_take
upstreams[].limits.connections        upstreams::limits::no_more_connections_are_made_than_there_may_be
upstreams[].limits.endpoint_requests  upstreams::limits::an_endpoint_that_is_full_is_passed_over
upstreams[].limits.waiting            upstreams::limits::no_more_than_the_bound_wait_and_none_for_longer_than_told
upstreams[].limits.wait               upstreams::limits::no_more_than_the_bound_wait_and_none_for_longer_than_told
upstreams[].protocol                  tls::upstream::http2_is_chosen_by_alpn serving::grpc::a_call_gets_its_message_and_its_status_in_trailers
upstreams[].proxy_protocol            serving::proxy_protocol_out::each_client_has_a_connection_that_says_so_and_keeps_it
upstreams[].forbidden                 configuration::effects_resolver::a_name_that_leads_to_a_forbidden_network_is_unhealthy_and_never_connected_to
upstreams[].tls                       tls::upstream::an_origin_with_the_right_name_and_authority_is_spoken_to
upstreams[].tls.verify                tls::upstream::a_connection_is_never_shared_between_upstreams_that_verify_differently
upstreams[].tls.ca                    tls::upstream::an_origin_with_the_right_name_and_authority_is_spoken_to
upstreams[].tls.certificate           tls::upstream::a_certificate_is_presented_to_an_origin_that_asks_for_one
upstreams[].tls.pins                  tls::upstream::a_pin_must_fit_besides
upstreams[].timeouts                  resilience::origins::silence_is_a_504_at_the_time_for_the_first_byte
upstreams[].timeouts.connect          configuration::effects::a_connection_is_given_up_at_its_time
upstreams[].timeouts.first_byte       resilience::origins::silence_is_a_504_at_the_time_for_the_first_byte
upstreams[].timeouts.idle             resilience::origins::a_pause_within_an_answer_is_bounded
upstreams[].timeouts.request          configuration::effects::an_upstream_bounds_the_whole_request
upstreams[].keep_alive                serving::upstreams::connections_are_kept_as_long_as_told
upstreams[].keep_alive.idle           serving::upstreams::connections_are_kept_as_long_as_told
error_pages                           serving::pages::pages_of_the_route_come_before_those_of_all
error_pages[].statuses                configuration::effects::a_page_is_for_its_statuses_and_has_its_media_type
error_pages[].file                    serving::pages::pages_of_the_route_come_before_those_of_all
error_pages[].content_type            configuration::effects::a_page_is_for_its_statuses_and_has_its_media_type
cache                                 cache::operator::no_more_memory_is_taken_than_told
cache.memory                          cache::operator::no_more_memory_is_taken_than_told
cache.largest                         cache::storing::an_answer_that_is_too_long_or_ends_with_trailers_or_early_is_not_kept
cache.variants                        cache::storing::no_more_variants_are_kept_than_told
resolver                              configuration::effects_resolver::the_servers_that_are_named_are_asked
resolver.servers                      configuration::effects_resolver::the_servers_that_are_named_are_asked
resolver.timeout                      configuration::effects_resolver::a_lookup_takes_no_longer_than_told
resolver.min_interval                 configuration::effects_resolver::a_name_is_looked_up_again_no_sooner_than_told
resolver.max_interval                 configuration::effects_resolver::a_name_is_looked_up_again_no_later_than_told
access_log                            serving::logs::the_log_may_be_text_in_a_file_or_off
access_log.format                     serving::logs::the_log_may_be_text_in_a_file_or_off
access_log.file                       serving::logs::the_log_may_be_text_in_a_file_or_off
traces                                serving::traces::a_request_has_a_span_and_its_attempt_another_which_the_endpoint_is_told_of
traces.endpoint                       serving::traces::a_reload_may_change_where_spans_go_and_loses_none
traces.tls                            serving::traces::a_collector_with_tls_is_verified_as_an_endpoint_is
traces.tls.verify                     serving::traces::a_collector_with_tls_is_verified_as_an_endpoint_is
traces.tls.ca                         serving::traces::a_collector_with_tls_is_verified_as_an_endpoint_is
traces.tls.certificate                serving::traces::a_certificate_is_presented_to_a_collector_that_asks_for_one
traces.tls.pins                       serving::traces::a_collector_with_tls_is_verified_as_an_endpoint_is
traces.headers                        serving::traces::fields_with_secrets_and_the_name_of_the_service_are_sent_along
traces.service                        serving::traces::fields_with_secrets_and_the_name_of_the_service_are_sent_along
traces.sample                         serving::traces::a_share_of_the_traces_is_recorded
traces.query                          serving::traces::the_query_is_told_when_asked
traces.timeout                        serving::traces::a_collector_that_hangs_delays_nobody_and_what_is_too_much_is_dropped
traces.queue                          serving::traces::a_collector_that_hangs_delays_nobody_and_what_is_too_much_is_dropped
traces.batch                          serving::traces::a_collector_that_hangs_delays_nobody_and_what_is_too_much_is_dropped
status                                serving::metrics::the_status_listener_tells_health_and_state
status.address                        serving::metrics::the_status_listener_tells_health_and_state
process                               configuration::effects_process::as_many_workers_serve_as_told
process.workers                       configuration::effects_process::as_many_workers_serve_as_told
process.drain                         reload::drain::what_does_not_end_is_cut_when_the_drain_is_over
process.zone                          upstreams::balance::endpoints_of_the_own_zone_are_preferred_while_enough_of_them_are_well
process.log                           configuration::effects_process::only_what_is_severe_enough_is_logged
";

/// Keys whose names differ from what the types call them.
const NAMES_IN_CODE: [(&str, &str); 3] = [("match", "matches"), ("file", "File"), ("env", "Env")];

fn proofs() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut proofs = BTreeMap::new();
    for line in PROOFS.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let key = words.next().expect("a line has words");
        let tests: Vec<&str> = words.collect();
        assert!(!tests.is_empty(), "`{key}` names no test");
        assert!(proofs.insert(key, tests).is_none(), "`{key}` is there twice");
    }
    proofs
}

/// The keys of the language, as paths with dots; `[]` stands for any entry of a list.
fn keys() -> BTreeSet<String> {
    let schema = read(&at("docs/reference/configuration.schema.json"));
    let schema: Value = serde_json::from_str(&schema).expect("the schema is JSON");
    let mut keys = BTreeSet::new();
    add_keys(&schema, &schema, "", &mut keys);
    keys
}

fn add_keys(root: &Value, schema: &Value, place: &str, keys: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        let meant = root.pointer(pointer).unwrap_or_else(|| panic!("no {reference}"));
        add_keys(root, meant, place, keys);
    }
    let variants = ["anyOf", "oneOf"].iter().filter_map(|name| schema[name].as_array());
    for variant in variants.flatten() {
        add_keys(root, variant, place, keys);
    }
    add_keys_of_entries(root, schema, place, keys);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let key = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        add_keys(root, inner, &key, keys);
        keys.insert(key);
    }
}

fn add_keys_of_entries(root: &Value, schema: &Value, place: &str, keys: &mut BTreeSet<String>) {
    let entries = &schema["items"];
    if !entries.is_null() {
        add_keys(root, entries, &format!("{place}[]"), keys);
    }
}

#[test]
fn every_key_of_the_configuration_has_a_proof_that_it_has_an_effect() {
    let (keys, proofs) = (keys(), proofs());
    assert!(keys.contains("listeners[].connections.per_source"), "{keys:?}");
    let missing: Vec<&String> =
        keys.iter().filter(|key| !proofs.contains_key(key.as_str())).collect();
    assert!(
        missing.is_empty(),
        "no proof that these keys have an effect: {missing:#?}\n\
         Write a test that sets the key to something else than its default and sees the binary \
         behave differently, and name it in PROOFS (tests/tests/configuration/keys.rs)."
    );
    let gone: Vec<&&str> = proofs.keys().filter(|key| !keys.contains(**key)).collect();
    assert!(
        gone.is_empty(),
        "these keys are not of the language any more: {gone:#?}\n\
         Take them out of PROOFS (tests/tests/configuration/keys.rs), and their tests if nothing \
         else needs them."
    );
}

#[test]
fn every_proof_is_a_test_that_runs() {
    let named: BTreeSet<&str> = proofs().into_values().flatten().collect();
    let missing: Vec<&str> = named.into_iter().filter(|name| !is_a_test(name)).collect();
    assert!(
        missing.is_empty(),
        "these tests are named in PROOFS and do not run: {missing:#?}\n\
         If a test was renamed or moved, follow it in tests/tests/configuration/keys.rs; if it was \
         removed, its keys need another one."
    );
}

#[test]
fn every_key_is_read_by_the_product() {
    let mut read_names = BTreeSet::new();
    add_names_read_in(&at("proxy"), &mut read_names);
    let is_read = |key: &String| {
        let name = key.rsplit('.').next().expect("a key has a name").trim_end_matches("[]");
        let renamed = NAMES_IN_CODE.iter().find(|(own, _)| *own == name).map(|(_, code)| *code);
        [Some(name), renamed].into_iter().flatten().any(|name| read_names.contains(name))
    };
    let unread: Vec<String> = keys().into_iter().filter(|key| !is_read(key)).collect();
    assert!(
        unread.is_empty(),
        "no source under proxy/ reads these keys: {unread:#?}\n\
         Take them out of the language, or make them do what their descriptions say."
    );
}

/// Adds the names that the sources under `folder`, tests aside, read from values.
fn add_names_read_in(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if ["tests", "tests.rs", "testing.rs", "benches"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            add_names_read_in(&path, names);
        } else if name.ends_with(".rs") {
            let source = read(&path);
            let product = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            add_names_read(&words(product), names);
        }
    }
}

/// Adds names that follow a dot and are not called, that a `let` takes out of a value by name, and
/// that follow a double colon: variants.
fn add_names_read(words: &[String], names: &mut BTreeSet<String>) {
    let at = |position: usize| words.get(position).map_or("", String::as_str);
    let mut in_let = false;
    for (position, word) in words.iter().enumerate() {
        in_let = if in_let { word != "=" } else { word == "let" };
        let before = |count: usize| position.checked_sub(count).map_or("", at);
        let after = at(position + 1);
        let is_field = before(1) == "." && after != "(";
        let is_variant = before(1) == ":" && before(2) == ":";
        let is_ignored = after == ":" && at(position + 2) == "_";
        let is_taken = in_let && ["{", ","].contains(&before(1)) && !is_ignored;
        if is_field || is_variant || is_taken {
            names.insert(word.clone());
        }
    }
}

/// The words and signs of Rust source, without comments and the insides of strings.
fn words(source: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("'\"'") {
            3
        } else if first == '"' {
            length_of_string(rest)
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(length);
        if is_word(first) || (word.len() == 1 && !first.is_whitespace()) {
            words.push(word.to_owned());
        }
        rest = after;
    }
    words
}

/// How long the string is that `text` begins with, quotes included.
fn length_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (position, c) in text.char_indices().skip(1) {
        if c == '"' && !escaped {
            return position + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

#[test]
fn a_name_in_a_comment_a_string_a_call_or_left_aside_is_not_read() {
    let source = r#"
        // says .comment
        let Shape { taken, renamed: other, aside: _, nested: Inner { deep } } = shape;
        print("of .string \" and .more", '"', shape.field, shape.call(), Kind::Variant);
        let plain = Shape { made: 1 };
    "#;
    let mut names = BTreeSet::new();
    add_names_read(&words(source), &mut names);
    let expected = ["taken", "renamed", "nested", "deep", "field", "Variant"];
    assert_eq!(names, expected.iter().map(ToString::to_string).collect());
}
