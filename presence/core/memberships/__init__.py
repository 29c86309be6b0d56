"""Memberships: the servers of each user, the reasons, and where others see the user.

A membership is made by an administrator, by the claim of a token, or by both.
Changes by a claim are shown to others only while the user is visible: until
then they go on seeing the claim as it was shown last, so the two are kept
apart. Changes by an administrator are shown at once.
"""

from presence.core.memberships.servers import MembershipDelta as MembershipDelta
from presence.core.memberships.servers import Memberships as Memberships
from presence.core.memberships.table import MembershipRow as MembershipRow
from presence.core.memberships.table import MembershipTable as MembershipTable
