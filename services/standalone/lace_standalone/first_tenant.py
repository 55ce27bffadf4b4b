"""The first tenant of an installation and its token: made once, kept in the data folder."""

from __future__ import annotations

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_platform.config import ProcessConfig
from lace_platform.rpc import ServiceIdentity, open_channel

TENANT_NAME = "default"
PRINCIPAL_NAME = "owner"


async def make_first_tenant(config: ProcessConfig, service: str = "standalone") -> str:
    """Makes the first tenant with its administrator through control; the token's secret, empty where there was one.

    Raises LaceError (SERVICE_UNAVAILABLE, TOKEN_INVALID where the installation's secret is another).
    """
    address = config.addresses["control"]
    plain = open_channel(address)
    identity = ServiceIdentity(plain, service, config.service_secret)
    channel = open_channel(address, identity=identity.token)
    try:
        request = control_pb2.BootstrapRequest(tenant_name=TENANT_NAME, principal_name=PRINCIPAL_NAME)
        answer = await control_pb2_grpc.TenantServiceStub(channel).Bootstrap(request)
        return answer.secret
    finally:
        await channel.close()
        await plain.close()
