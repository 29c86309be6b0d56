"""What the one port answers: all addresses, put together."""

from collections.abc import Callable, Mapping

import attrs

from presence.dialects.together.rest_in import DevToken
from presence.live.administration import Administration
from presence.live.claims import Verify
from presence.live.node import Node
from presence.log import Count, Counters
from presence.net.admission import RequestRates
from presence.net.authentication import Authentication
from presence.net.gateway_together import TogetherGateway
from presence.net.http import Site
from presence.net.limits import NetLimits
from presence.net.origin import OriginRules
from presence.net.request import Request, Response
from presence.net.rest.administration import AdministrationRest
from presence.net.rest.operations import Operations
from presence.net.rest.together import TogetherRest
from presence.net.router import Route, Router
from presence.net.session import SocketTimes


@attrs.frozen
class SitePlan:
    """What the operator wants of the port. *issue_token* is None outside development mode."""

    limits: NetLimits
    times: SocketTimes
    max_connections_per_user: int
    max_requests_per_second: int
    verify: Verify
    issue_token: Callable[[DevToken], str] | None
    openapi: Mapping[str, object]
    on_crash: Callable[[BaseException], None]


def build_site(node: Node, plan: SitePlan, counters: Counters) -> Site:
    """The routes of REST, administration and operations, and the gateways."""
    authentication = Authentication(
        plan.verify,
        node.is_revoked,
        RequestRates(plan.max_requests_per_second, 2 * plan.max_requests_per_second),
        node.clock,
        is_development=plan.limits.is_development,
        on_refused=lambda reason: counters.add(Count.TOKENS_REFUSED, reason),
    )
    origins = OriginRules(plan.limits.origins, plan.limits.is_development)
    router = Router(build_routes(node, plan, authentication, counters), origins)

    async def answer(request: Request) -> Response:
        response = await router.answer(request)
        counters.add(Count.REQUESTS, str(response.status))
        return response

    gateway = TogetherGateway(
        node,
        authentication,
        counters,
        plan.times,
        max_connections_per_user=plan.max_connections_per_user,
        max_frames_per_second=plan.limits.max_frames_per_second,
    )
    return Site(
        answer=answer,
        sockets=gateway,
        on_crash=plan.on_crash,
        count=lambda name: counters.add(Count.CONNECTIONS_REFUSED, name),
        limits=plan.limits,
    )


def build_routes(
    node: Node, plan: SitePlan, authentication: Authentication, counters: Counters
) -> list[Route]:
    """Every address that is asked without an upgrade."""
    together = TogetherRest(node, authentication)
    administration = AdministrationRest(Administration(node), authentication, together.persisted)
    operations = Operations(node, authentication, counters.render, plan.openapi, plan.issue_token)
    return [*together.routes(), *administration.routes(), *operations.routes()]
