"""Memberships: who made them, who sees them; a table, and a law against a naive model."""

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.core.memberships import MembershipDelta, MembershipRow, Memberships
from presence.core.types import EVERYONE

CHESS, GO = "chess", "go"
USERS = ("ada", "bob", "carl")
SERVERS = (CHESS, GO, "tennis")


@pytest.fixture
def memberships():
    return Memberships({}, [], has_everyone=True)


def row(user_id, server_id, made_by=""):
    return MembershipRow(
        user_id,
        server_id,
        by_admin="admin" in made_by,
        by_claim="claim" in made_by,
        by_shown_claim="shown" in made_by,
    )


# By hand ----------------------------------------------------------------------------------


def test_a_claim_is_true_at_once_and_seen_when_it_is_shown(memberships):
    assert memberships.claim("ada", [CHESS]) == MembershipDelta(
        "ada", joined={CHESS}, rows=(row("ada", CHESS, "claim"),)
    )
    assert memberships.servers_of("ada") == {CHESS, EVERYONE}
    assert memberships.public_servers_of("ada") == {EVERYONE}
    assert memberships.members_of(CHESS) == set()
    assert memberships.publish_claims("ada") == MembershipDelta(
        "ada", appeared={CHESS}, rows=(row("ada", CHESS, "claim shown"),)
    )
    assert memberships.members_of(CHESS) == {"ada"}


def test_a_claim_that_was_taken_back_is_seen_until_that_is_shown(memberships):
    memberships.claim("ada", [CHESS])
    memberships.publish_claims("ada")
    assert memberships.claim("ada", []) == MembershipDelta(
        "ada", left={CHESS}, rows=(row("ada", CHESS, "shown"),)
    )
    assert memberships.members_of(CHESS) == {"ada"}
    assert memberships.publish_claims("ada") == MembershipDelta(
        "ada", vanished={CHESS}, rows=(row("ada", CHESS),)
    )
    assert memberships.members_of(CHESS) == set()


def test_a_claim_made_and_revoked_while_hidden_is_never_seen(memberships):
    memberships.claim("ada", [CHESS])
    memberships.claim("ada", [])
    assert memberships.publish_claims("ada") == MembershipDelta("ada")


def test_memberships_by_administration_are_seen_at_once(memberships):
    assert memberships.admit("ada", CHESS) == MembershipDelta(
        "ada", joined={CHESS}, appeared={CHESS}, rows=(row("ada", CHESS, "admin"),)
    )
    assert memberships.admit("ada", CHESS) == MembershipDelta("ada")


def test_a_claim_takes_back_nothing_of_an_administrator(memberships):
    memberships.admit("ada", CHESS)
    memberships.claim("ada", [CHESS])
    assert memberships.claim("ada", []) == MembershipDelta(
        "ada", rows=(row("ada", CHESS, "admin"),)
    )
    assert memberships.servers_of("ada") == {CHESS, EVERYONE}


def test_a_dismissal_removes_memberships_of_any_origin(memberships):
    memberships.claim("ada", [CHESS])
    memberships.publish_claims("ada")
    memberships.admit("ada", CHESS)
    assert memberships.dismiss("ada", CHESS) == MembershipDelta(
        "ada", left={CHESS}, vanished={CHESS}, rows=(row("ada", CHESS),)
    )


def test_dismissing_from_a_claim_that_nobody_saw_is_seen_by_nobody(memberships):
    memberships.claim("ada", [CHESS])
    assert memberships.dismiss("ada", CHESS) == MembershipDelta(
        "ada", left={CHESS}, rows=(row("ada", CHESS),)
    )


def test_a_list_replaces_what_administration_made_and_no_more(memberships):
    memberships.claim("ada", [CHESS])
    memberships.publish_claims("ada")
    for user_id in ("bob", "carl"):
        memberships.admit(user_id, CHESS)
    shifts = memberships.replace(CHESS, ["carl", "dora", "ada"])
    assert [(shift.user_id, shift.appeared, shift.vanished) for shift in shifts] == [
        ("ada", set(), set()),
        ("bob", set(), {CHESS}),
        ("dora", {CHESS}, set()),
    ]
    assert memberships.members_of(CHESS) == {"ada", "carl", "dora"}


def test_everybody_leaves_a_server_that_is_closed(memberships):
    memberships.open_server(CHESS, "Chess club")
    memberships.admit("bob", CHESS)
    memberships.claim("ada", [CHESS])
    assert [shift.left for shift in memberships.close_server(CHESS)] == [{CHESS}, {CHESS}]
    assert memberships.names == {EVERYONE: EVERYONE}
    assert memberships.servers_of("ada") == {EVERYONE}


def test_a_deleted_user_leaves_every_server(memberships):
    memberships.admit("ada", CHESS)
    memberships.claim("ada", [GO])
    shift = memberships.remove_user("ada")
    assert (shift.left, shift.vanished) == ({CHESS, GO}, {CHESS})
    assert memberships.servers_of("ada") == {EVERYONE}


def test_a_claim_makes_servers_but_never_everyone():
    memberships = Memberships({GO: "Go club"}, [], has_everyone=False)
    memberships.claim("ada", [CHESS, GO, EVERYONE])
    assert memberships.servers_of("ada") == {CHESS, GO}
    assert memberships.names == {CHESS: CHESS, GO: "Go club"}


@pytest.mark.parametrize("has_everyone", [True, False])
def test_users_without_a_common_server_see_each_other_only_in_everyone(has_everyone):
    rows = [row("ada", CHESS, "admin"), row("bob", GO, "admin")]
    memberships = Memberships({}, rows, has_everyone=has_everyone)
    assert memberships.can_see("ada", "bob") is has_everyone
    memberships.admit("bob", CHESS)
    assert memberships.can_see("ada", "bob")


def test_a_hidden_user_that_claims_a_server_sees_and_is_not_seen():
    memberships = Memberships({}, [row("ada", CHESS, "admin")], has_everyone=False)
    memberships.claim("bob", [CHESS])
    assert memberships.can_see("bob", "ada")
    assert not memberships.can_see("ada", "bob")


# As a law ---------------------------------------------------------------------------------


@attrs.define
class Model:
    """Three sets of pairs, and nothing clever."""

    by_admin: set = attrs.field(factory=set)
    by_claim: set = attrs.field(factory=set)
    shown: set = attrs.field(factory=set)

    @property
    def true_pairs(self):
        return self.by_admin | self.by_claim

    @property
    def shown_pairs(self):
        return self.by_admin | self.shown

    def claim(self, user_id, servers):
        self.by_claim = {pair for pair in self.by_claim if pair[0] != user_id}
        self.by_claim |= {(user_id, server_id) for server_id in servers}

    def publish_claims(self, user_id):
        self.shown = {pair for pair in self.shown if pair[0] != user_id}
        self.shown |= {pair for pair in self.by_claim if pair[0] == user_id}

    def admit(self, user_id, server_id):
        self.by_admin.add((user_id, server_id))

    def dismiss(self, user_id, server_id):
        for pairs in (self.by_admin, self.by_claim, self.shown):
            pairs.discard((user_id, server_id))

    def replace(self, server_id, members):
        self.by_admin = {pair for pair in self.by_admin if pair[1] != server_id}
        self.by_admin |= {(user_id, server_id) for user_id in members}

    def close_server(self, server_id):
        for user_id in USERS:
            self.dismiss(user_id, server_id)

    def remove_user(self, user_id):
        for server_id in SERVERS:
            self.dismiss(user_id, server_id)


SOME_USERS = st.sampled_from(USERS)
SOME_SERVERS = st.sampled_from(SERVERS)
OPERATIONS = st.one_of(
    st.tuples(st.just("claim"), SOME_USERS, st.lists(SOME_SERVERS)),
    st.tuples(st.just("publish_claims"), SOME_USERS),
    st.tuples(st.just("admit"), SOME_USERS, SOME_SERVERS),
    st.tuples(st.just("dismiss"), SOME_USERS, SOME_SERVERS),
    st.tuples(st.just("replace"), SOME_SERVERS, st.lists(SOME_USERS)),
    st.tuples(st.just("close_server"), SOME_SERVERS),
    st.tuples(st.just("remove_user"), SOME_USERS),
)


def pairs_of(servers_of):
    return {(user_id, server_id) for user_id in USERS for server_id in servers_of(user_id)}


@settings(settings.get_profile("core"), max_examples=300)
@given(st.lists(OPERATIONS, max_size=30))
def test_memberships_are_what_the_naive_model_says(operations):
    memberships, model, stored = Memberships({}, [], has_everyone=False), Model(), {}
    for name, *arguments in operations:
        true_before, shown_before = model.true_pairs, model.shown_pairs
        getattr(model, name)(*arguments)
        answer = getattr(memberships, name)(*arguments)
        shifts = answer if isinstance(answer, list) else [answer]
        for field, wanted in {
            "joined": model.true_pairs - true_before,
            "left": true_before - model.true_pairs,
            "appeared": model.shown_pairs - shown_before,
            "vanished": shown_before - model.shown_pairs,
        }.items():
            told = {(shift.user_id, each) for shift in shifts for each in getattr(shift, field)}
            assert told == wanted, field
        for each in (each for shift in shifts for each in shift.rows):
            stored[each.user_id, each.server_id] = each
        assert pairs_of(memberships.servers_of) == model.true_pairs
        assert pairs_of(memberships.public_servers_of) == model.shown_pairs
        for server_id in SERVERS:
            members = {user_id for user_id, of in model.shown_pairs if of == server_id}
            assert memberships.members_of(server_id) == members
    # What was to be stored is enough to make them anew.
    rows = [each for each in stored.values() if not each.is_empty]
    anew = Memberships({}, rows, has_everyone=False)
    assert pairs_of(anew.servers_of) == model.true_pairs
    assert pairs_of(anew.public_servers_of) == model.shown_pairs
    for user_id in USERS:
        one, other = anew.publish_claims(user_id), memberships.publish_claims(user_id)
        assert set(one.rows) == set(other.rows)
