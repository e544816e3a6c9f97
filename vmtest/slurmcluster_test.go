// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cluster is a Slurm of one node, which is this machine. Its daemons listen on the loopback
// interface only, and all that they write is in a folder.
type cluster struct {
	t          *testing.T
	dir        string
	env        []string
	controller *exec.Cmd
	node       *exec.Cmd
}

// slurmConf is the configuration. Without a short cred_expire, a job that is requeued waits for two
// minutes. The node says that it has room for two cells, whatever machine it is.
const slurmConf = `ClusterName=one
SlurmctldHost=%[1]s(127.0.0.1)
SlurmctldPort=%[2]d
SlurmdPort=%[3]d
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
SlurmUser=%[4]s
SlurmdUser=%[4]s
StateSaveLocation=%[5]s/state
SlurmdSpoolDir=%[5]s/spool
SlurmctldPidFile=%[5]s/slurmctld.pid
SlurmdPidFile=%[5]s/slurmd.pid
SlurmctldLogFile=%[5]s/slurmctld.log
SlurmdLogFile=%[5]s/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdTimeout=15
SlurmdParameters=config_overrides
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
NodeName=%[1]s NodeAddr=127.0.0.1 CPUs=4 RealMemory=65536 State=UNKNOWN
PartitionName=p Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`

// startCluster starts a cluster, which ends with the test.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir()}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(slurmConf, host, freePort(t), freePort(t), me.Username, c.dir)
	for _, err := range []error{os.WriteFile(filepath.Join(c.dir, "slurm.conf"), []byte(conf), 0o644), os.Mkdir(filepath.Join(c.dir, "state"), 0o755), os.Mkdir(filepath.Join(c.dir, "spool"), 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	goCache, err := exec.Command("go", "env", "GOCACHE").Output() // it would move with XDG_CACHE_HOME and be empty
	if err != nil {
		t.Fatal(err)
	}
	c.env = append(os.Environ(), "SLURM_CONF="+filepath.Join(c.dir, "slurm.conf"), "XDG_CACHE_HOME="+filepath.Join(c.dir, "cache"),
		"GOCACHE="+strings.TrimSpace(string(goCache)), "FAKE_GUEST=green")
	c.controller = c.daemon("slurmctld", "-D")
	t.Cleanup(func() { c.end(c.controller) })
	c.startNode()
	t.Cleanup(func() {
		c.wantRun("scancel", "--state=PENDING")
		c.wantRun("scancel", "--state=RUNNING")
		c.waitEmpty()
		c.end(c.node)
		if t.Failed() {
			for _, name := range []string{"slurmctld.log", "slurmd.log"} {
				text, _ := os.ReadFile(filepath.Join(c.dir, name)) // it may not exist
				t.Logf("%s:\n%s", name, text)
			}
		}
	})
	c.wait("the node is idle", func() bool { return strings.Contains(c.run("sinfo", "-h", "-o", "%T"), "idle") })
	return c
}

// freePort is a port of the loopback interface that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// daemon starts a daemon of Slurm in the foreground.
func (c *cluster) daemon(name string, args ...string) *exec.Cmd {
	c.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = filepath.Join("/usr/sbin", name) // it is not on everybody's PATH
	}
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.SysProcAttr = c.env, &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		c.t.Fatalf("%v; type \"make slurm-test\", which installs Slurm", err)
	}
	return cmd
}

func (c *cluster) startNode() { c.node = c.daemon("slurmd", "-D") }

// end ends a daemon that this test has started.
func (c *cluster) end(cmd *exec.Cmd) {
	if err := cmd.Process.Kill(); err == nil {
		_ = cmd.Wait() // its error is that it was killed
	}
}

// run runs a command, and returns what it printed, whether or not it does well.
func (c *cluster) run(name string, args ...string) string {
	cmd := exec.CommandContext(c.t.Context(), name, args...)
	cmd.Env = c.env
	out, _ := cmd.CombinedOutput() // the caller looks at what it printed
	return string(out)
}

// wantRun runs a command that has to do well. The context of a test ends before its cleanup.
func (c *cluster) wantRun(name string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = c.env
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Errorf("%s %q: %v: %s", name, args, err, out)
	}
}

// wait waits until something has come to pass.
func (c *cluster) wait(what string, done func() bool) {
	c.t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if done() {
			return
		}
	}
	c.t.Fatalf("not within three minutes: %s\n%s%s", what, c.run("squeue"), c.run("sinfo"))
}

// waitEmpty waits until the cluster has no job.
func (c *cluster) waitEmpty() {
	c.t.Helper()
	c.wait("the queue is empty", func() bool {
		cmd := exec.Command("squeue", "-h")
		cmd.Env = c.env
		out, err := cmd.CombinedOutput()
		return err == nil && len(out) == 0
	})
}
