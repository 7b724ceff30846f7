"""Puts what a run needs into a provisioned domain, while its server is not running.

Standard input is JSON; see population in population.go. Arguments: the
server's smb.conf.
"""
import json
import sys

import ldb
from samba import dsdb
from samba.auth import system_session
from samba.dcerpc import dnsp
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

want = json.load(sys.stdin)
lp = LoadParm()
lp.load(sys.argv[1])
sam = SamDB(session_info=system_session(), lp=lp)
base = str(sam.domain_dn())
dns = ".".join(base.lower().replace("dc=", "").split(","))


def secret(password):
    return ('"%s"' % password).encode("utf-16-le")


def add(dn, **attributes):
    sam.add({"dn": dn, **{k: v for k, v in attributes.items() if v}})


def address(node, ip):
    """Gives a name of the domain's zone an address, in place of what it has."""
    zone = "DC=%s,CN=MicrosoftDNS,DC=DomainDnsZones,%s" % (dns, base)
    record = dnsp.DnssrvRpcRecord()
    record.wType, record.data, record.rank, record.dwTtlSeconds, record.dwSerial = dnsp.DNS_TYPE_A, ip, dnsp.DNS_RANK_ZONE, 900, 1
    dn = "DC=%s,%s" % (node, zone)
    try:
        old = [ndr_unpack(dnsp.DnssrvRpcRecord, v) for v in sam.search(dn, ldb.SCOPE_BASE, attrs=["dnsRecord"])[0]["dnsRecord"]]
    except ldb.LdbError:
        add(dn, objectClass="dnsNode", dnsRecord=ndr_pack(record))
        return
    records = [ndr_pack(o) for o in old if o.wType not in (dnsp.DNS_TYPE_A, dnsp.DNS_TYPE_AAAA)] + [ndr_pack(record)]
    message = ldb.Message(ldb.Dn(sam, dn))
    message["dnsRecord"] = ldb.MessageElement(records, ldb.FLAG_MOD_REPLACE, "dnsRecord")
    sam.modify(message)


def organizational_units():
    for name in want["units"]:
        add("OU=%s,%s" % (name, base), objectClass="organizationalUnit", description="%s department" % name)


def users():
    for u in want["users"]:
        dn = "CN=%s,OU=%s,%s" % (u["full"], u["unit"], base)
        first, last = u["full"].split(" ", 1)
        add(dn, objectClass="user", sAMAccountName=u["name"], userPrincipalName="%s@%s" % (u["name"], dns), givenName=first, sn=last,
            displayName=u["full"], mail="%s@%s" % (u["name"], dns), department=u["unit"], title=u["title"], description=u["description"],
            telephoneNumber=u["phone"], servicePrincipalName=u["services"],
            unicodePwd=secret(u["password"]) if u["password"] else None,
            userAccountControl=str(dsdb.UF_NORMAL_ACCOUNT | u["flags"] | (0 if u["password"] else dsdb.UF_ACCOUNTDISABLE)))
        if u["types"]:
            sam.modify_ldif("dn: %s\nchangetype: modify\nreplace: msDS-SupportedEncryptionTypes\nmsDS-SupportedEncryptionTypes: %d\n" % (dn, u["types"]))


def groups():
    names = {u["name"]: "CN=%s,OU=%s,%s" % (u["full"], u["unit"], base) for u in want["users"]}
    for g in want["groups"]:
        members = [names[m] for m in g["members"] or []]
        if g["builtin"]:
            if members:
                dn = str(sam.search(base, ldb.SCOPE_SUBTREE, "(sAMAccountName=%s)" % g["name"])[0].dn)
                sam.modify_ldif("dn: %s\nchangetype: modify\nadd: member\n%s" % (dn, "".join("member: %s\n" % m for m in members)))
        else:
            add("CN=%s,OU=%s,%s" % (g["name"], g["unit"], base), objectClass="group", sAMAccountName=g["name"], description=g["description"], member=members)


def computers():
    for c in want["computers"]:
        host = "%s.%s" % (c["name"].lower(), dns)
        add("CN=%s,CN=Computers,%s" % (c["name"].upper(), base), objectClass="computer", sAMAccountName=c["name"].upper() + "$", dNSHostName=host,
            operatingSystem=c["system"], operatingSystemVersion=c["version"],
            servicePrincipalName=["%s/%s" % (s, h) for s in ["HOST", *(c["services"] or [])] for h in (host, c["name"].upper())],
            unicodePwd=secret(c["password"]) if c["password"] else None,
            userAccountControl=str(dsdb.UF_WORKSTATION_TRUST_ACCOUNT))


def server():
    """Gives the domain controller the names of services that it registers in its first minutes otherwise."""
    dn = str(sam.search(base, ldb.SCOPE_SUBTREE, "(sAMAccountName=%s$)" % want["server"])[0].dn)
    name = "%s.%s" % (want["server"], dns)
    names = ["ldap/" + name, "ldap/" + want["server"].upper(), "ldap/%s/%s" % (name, dns), "GC/%s/%s" % (name, dns), "cifs/" + name]
    sam.modify_ldif("dn: %s\nchangetype: modify\nadd: servicePrincipalName\n%s" % (dn, "".join("servicePrincipalName: %s\n" % n for n in names)))


sam.transaction_start()
sam.set_minPwdAge("0")
for node in ("@", want["server"]):
    address(node, want["addresses"][want["server"]])
for node, ip in want["addresses"].items():
    address(node, ip)
organizational_units()
users()
groups()
computers()
server()
sam.transaction_commit()
sam.setpassword("(sAMAccountName=Administrator)", want["administrator"], username="Administrator")
