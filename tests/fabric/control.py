"""Three ways to share a fabric's links among VMs: not to care, HTB at the senders alone, Gatekeeper."""

import re
import shutil
import tempfile

from agents import Agents


def mbit(settings, direction, bound, default):
    """A bound of a vNIC's settings; these are written with one unit only."""
    text = settings.get(direction, {}).get(bound)
    return int(re.fullmatch(r"(\d+)Mbit", text).group(1)) if text else default


class Uncontrolled:
    title = "no control"

    def __init__(self, fabric, promises):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        pass


class SenderHtb(Uncontrolled):
    """On each host's uplink a class per VM: what it is promised for sending, and up to the link if that is idle. Nobody
    knows what happens at the receivers."""

    title = "HTB at the senders"

    def __init__(self, fabric, promises):
        self.fabric, self.promises = fabric, promises

    def __enter__(self):
        for host in self.fabric.hosts:
            self.shape(host, self.fabric.link_mbit)
        return self

    def shape(self, host, link):
        def add_class(minor, parent, rate, ceil):
            host.tc("class", "add", "dev", "up0", "parent", parent, "classid", f"1:{minor:x}", "htb", "rate", f"{rate}mbit",
                    "ceil", f"{ceil}mbit", "burst", "64k", "cburst", "64k", "quantum", 15000)

        host.tc("qdisc", "add", "dev", "up0", "root", "handle", "1:", "htb", "default", "2")
        add_class(1, "1:", link, link)
        add_class(2, "1:1", link / 100, link)
        for minor, vm in enumerate(host.vms, 0x10):
            settings = self.promises.get(vm.label, {})
            add_class(minor, "1:1", mbit(settings, "send", "min", link / 100), mbit(settings, "send", "max", link))
            host.tc("filter", "add", "dev", "up0", "parent", "1:", "protocol", "ip", "u32", "match", "ip", "src", vm.address,
                    "flowid", f"1:{minor:x}")


class Gatekeeper(Agents):
    title = "Gatekeeper"

    def __init__(self, fabric, promises):
        super().__init__(fabric, tempfile.mkdtemp(prefix="sluice-agents-"), promises)

    def __enter__(self):
        try:
            return super().__enter__()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *unused):
        super().__exit__(*unused)
        shutil.rmtree(self.directory, ignore_errors=True)


CONTROLS = (Uncontrolled, SenderHtb, Gatekeeper)
