"""That the machine is fit for tests of virtual machines: its KVM, and a guest in it under a VMM that is known to work."""


# The agent of the guest finds its port by itself; what it says first there shows that user space was reached.
BOOT = """cd $(mktemp -d)
timeout -k 1 60 qemu-system-x86_64 -M q35 -accel kvm -cpu host -m 256M -nodefaults -nographic -no-reboot \
    -kernel $GUEST/vmlinux -initrd $GUEST/initramfs.cpio -append 'console=ttyS0 quiet panic=-1 mitigations=off' \
    -serial file:console.log -device virtio-serial-pci -device virtserialport,chardev=agent \
    -chardev file,id=agent,path=agent.log >qemu.log 2>&1 &
until grep -q ready agent.log 2>/dev/null; do
    kill -0 $! 2>/dev/null || { cat qemu.log console.log; exit 1; }
    sleep 0.1
done
kill $!
"""


def test_kvm_can_do_what_sluice_needs(kvm):
    status, said = kvm.run("kvm_probe", limit_s=30, check=False)
    assert status == 0 and ": no" not in said, said


def test_programs_of_the_build_run(kvm):
    assert "sluice" in kvm.run("sluice --version", limit_s=30)


def test_qemu_boots_a_guest_to_user_space(kvm):
    kvm.run(BOOT, limit_s=90)


def test_a_job_in_the_background_can_be_watched_and_killed(kvm):
    job = kvm.start_job("echo begun; sleep 1000")
    job.wait_for("begun", limit_s=30)
    assert not job.is_finished()
    job.kill()
    status, said = job.wait(limit_s=30)
    assert status != 0 and said == "begun\n"


def test_files_go_in_and_come_out_as_they_are(kvm):
    content = bytes(range(256)) * 256
    kvm.put(content, f"{kvm.scratch}/file")
    assert kvm.get(f"{kvm.scratch}/file") == content
