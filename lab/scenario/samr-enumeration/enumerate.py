"""Lists accounts, shares and more of a server by remote procedure calls, with impacket. The argument is JSON."""
import json
import random
import sys
import time

import lab_ad
from impacket.dcerpc.v5 import lsad, lsat, samr, srvs, transport, wkst
from impacket.dcerpc.v5.dtypes import MAXIMUM_ALLOWED
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.smbconnection import SMBConnection

want = json.loads(sys.argv[1])
since = time.time_ns()
c = SMBConnection(want["server"], want["server"], timeout=60)
flow = lab_ad.ends(lab_ad.smb_socket(c))
pipes = {}


def pipe(name, interface):
    """A named pipe of the server that is bound to an interface; it stays open."""
    if name not in pipes:
        pipes[name] = transport.SMBTransport(want["server"], filename=name, smb_connection=c).get_dce_rpc()
        pipes[name].connect()
        pipes[name].bind(interface)
    return pipes[name]


def domain():
    """SAMR's pipe, with a handle of the domain and its identifier."""
    d = pipe("samr", samr.MSRPC_UUID_SAMR)
    server = samr.hSamrConnect(d)["ServerHandle"]
    name = samr.hSamrEnumerateDomainsInSamServer(d, server)["Buffer"]["Buffer"][0]["Name"]
    sid = samr.hSamrLookupDomainInSamServer(d, server, name)["DomainId"]
    return d, samr.hSamrOpenDomain(d, server, domainId=sid)["DomainHandle"], sid


def listed(answer):
    return [(e["RelativeId"], e["Name"]) for e in answer["Buffer"]["Buffer"]]


def users():
    d, handle, _ = domain()
    context, more = 0, True
    while more:
        try:
            answer, more = samr.hSamrEnumerateUsersInDomain(d, handle, enumerationContext=context), False
        except DCERPCException as e:
            if "STATUS_MORE_ENTRIES" not in str(e):
                raise
            answer = e.get_packet()
            context = answer["EnumerationContext"]
        for rid, name in listed(answer):
            print("user [%s] %d" % (name, rid))


def groups():
    d, handle, _ = domain()
    for rid, _ in listed(samr.hSamrEnumerateGroupsInDomain(d, handle)):
        samr.hSamrGetMembersInGroup(d, samr.hSamrOpenGroup(d, handle, groupId=rid)["GroupHandle"])


def aliases():
    d, handle, _ = domain()
    listed(samr.hSamrEnumerateAliasesInDomain(d, handle))


def administrator():
    d, handle, _ = domain()
    user = samr.hSamrOpenUser(d, handle, MAXIMUM_ALLOWED, 500)["UserHandle"]
    samr.hSamrQueryInformationUser2(d, user)
    samr.hSamrGetGroupsForUser(d, user)


def policy():
    d, handle, _ = domain()
    samr.hSamrQueryInformationDomain2(d, handle, samr.DOMAIN_INFORMATION_CLASS.DomainPasswordInformation)


def identifiers():
    sid = domain()[2].formatCanonical()
    d = pipe("lsarpc", lsat.MSRPC_UUID_LSAT)
    handle = lsad.hLsarOpenPolicy2(d, MAXIMUM_ALLOWED)["PolicyHandle"]
    for first in range(500, 500 + want["identifiers"], 10):
        try:
            lsat.hLsarLookupSids(d, handle, ["%s-%d" % (sid, rid) for rid in range(first, first + 10)])
        except DCERPCException as e:
            if "NOT_MAPPED" not in str(e):
                raise


def shares():
    srvs.hNetrShareEnum(pipe("srvsvc", srvs.MSRPC_UUID_SRVS), 1)


def server():
    srvs.hNetrServerGetInfo(pipe("srvsvc", srvs.MSRPC_UUID_SRVS), 101)


def clock():
    srvs.hNetrRemoteTOD(pipe("srvsvc", srvs.MSRPC_UUID_SRVS))


def workstation():
    wkst.hNetrWkstaGetInfo(pipe("wkssvc", wkst.MSRPC_UUID_WKST), 100)


def everything():
    others = [groups, shares, aliases, administrator, policy, server, clock, workstation]
    random.shuffle(others)
    return [users] + others[:want["breadth"] - 1] + ([identifiers] if want["identifiers"] else [])


c.login(want["user"], want["password"], want["domain"])
lab_ad.tell("handshake", since, flow, "login as " + want["user"])
for question in everything():
    with lab_ad.doing("exchange", flow, question.__name__):
        question()
    with lab_ad.doing("idle", flow, ""):
        lab_ad.pause(float(want["pause"]))
c.close()
