"""Who belongs to which server, why, and in which of them others see it.

A membership is made by an administrator, by the claim of a token, or by both.
What a claim changes is shown to others only while the user is visible: until
then they go on seeing the claim as it was shown last, so the two are kept
apart. What an administrator changes is shown at once.
"""

from presence.core.memberships.servers import MembershipDelta as MembershipDelta
from presence.core.memberships.servers import Memberships as Memberships
from presence.core.memberships.table import MembershipRow as MembershipRow
from presence.core.memberships.table import MembershipTable as MembershipTable
