// SPDX-License-Identifier: BSD-3-Clause

package scale

// simulation is a night that runs.
type simulation struct {
	*clock
	costs      Costs
	fleet      fleet
	link       *link
	controller lock
	tasks      [][]cell
	machines   []*machine
	store      map[kernel]*thing
	result     result
	end        float64 // of the last cell
}

// machine is one of the fleet.
type machine struct {
	guest   thing
	sources map[int]*thing
	kernels map[kernel]*thing
	folders map[folder]*workFolder
}

// workFolder holds the objects of the last kernel that was built in it.
type workFolder struct {
	lock
	patch int // 0: none
}

// simulate runs a night on a fleet.
func simulate(c Costs, n night, f fleet) result {
	t := &clock{}
	s := &simulation{clock: t, costs: c, fleet: f, link: &link{clock: t, rate: f.Rate}, tasks: n.tasks(), store: make(map[kernel]*thing)}
	s.result = result{Kernels: n.Series * n.Bases * n.Configs * n.Patches}
	cells := 0
	for _, t := range s.tasks {
		cells += len(t)
	}
	for i := range cells {
		s.result.Listing += in(c.List, i)
		s.result.Judging += in(c.Judging, i)
	}
	for range f.Machines {
		m := &machine{sources: make(map[int]*thing), kernels: make(map[kernel]*thing), folders: make(map[folder]*workFolder)}
		s.machines = append(s.machines, m)
	}
	for _, m := range s.machines {
		for range f.Workers {
			s.work(m)
		}
	}
	s.run()
	s.result.Seconds, s.result.CarriedMB, s.result.LinkBusy = s.end, s.link.carried, s.link.busy
	s.result.Idle = s.end * float64(f.Machines*f.Workers)
	for _, spent := range s.result.Spent {
		s.result.Idle -= spent
	}
	return s.result
}

// work is a worker: it takes the next task until there is none.
func (s *simulation) work(m *machine) {
	if len(s.tasks) == 0 {
		return
	}
	task := s.tasks[0]
	s.tasks = s.tasks[1:]
	began := s.now
	s.controller.take(func() {
		s.after(s.fleet.Dispatch, func() {
			s.controller.give()
			s.spend(starting, began)
			s.each(m, task, func() { s.work(m) })
		})
	})
}

// each runs cells one after the other.
func (s *simulation) each(m *machine, all []cell, then func()) {
	if len(all) == 0 {
		then()
		return
	}
	s.cell(m, all[0], func() { s.each(m, all[1:], then) })
}

// cell runs one cell.
func (s *simulation) cell(m *machine, c cell, then func()) {
	s.hold(starting, in(s.costs.Start, c.number), func() {
		s.get(&m.guest, func(done func()) { s.hold(warming, in(s.costs.Guest, 0), done) }, func() {
			s.kernel(m, c.kernel, func() {
				s.hold(tests, in(s.costs.Tests[c.lane], c.number), func() {
					s.send(s.costs.ResultMB, func() {
						s.end = s.now
						then()
					})
				})
			})
		})
	})
}

// kernel goes on when the machine has a kernel. The cells of one machine never make it twice.
func (s *simulation) kernel(m *machine, k kernel, then func()) {
	s.get(entry(m.kernels, k), func(done func()) {
		stored := entry(s.store, k)
		fetch := func() {
			s.result.Fetched++
			s.send(s.costs.FetchMB, done)
		}
		switch {
		case stored.there:
			fetch()
		case s.fleet.Store && s.fleet.Wait && stored.begun:
			s.get(stored, nil, fetch)
		default:
			stored.begun = true
			s.build(m, k, func() {
				if !s.fleet.Store || stored.there {
					done()
					return
				}
				s.send(s.costs.StoreMB, func() {
					stored.finish()
					done()
				})
			})
		}
	}, then)
}

// build compiles a kernel in the folder of its series, which one build at a time has.
func (s *simulation) build(m *machine, k kernel, then func()) {
	s.get(entry(m.sources, k.base), func(done func()) {
		began := s.now
		s.link.send(s.costs.PackageMB, func() {
			s.spend(warming, began)
			s.hold(warming, in(s.costs.Source, 0), done)
		})
	}, func() {
		f := entry(m.folders, k.folder())
		began := s.now
		f.take(func() {
			s.spend(waiting, began)
			durations := s.costs.Part
			if s.touchesInclude(f.patch, k.patch) {
				durations = s.costs.Whole
			}
			s.result.Builds++
			s.hold(building, in(durations, s.result.Builds), func() {
				f.patch = k.patch
				f.give()
				then()
			})
		})
	})
}

// touchesInclude says that everything has to be compiled again to get from the kernel of one patch
// to that of another: there is none yet, or a patch between them touches a header in include/.
func (s *simulation) touchesInclude(from, to int) bool {
	if from == 0 {
		return true
	}
	for p := min(from, to) + 1; p <= max(from, to); p++ {
		if s.costs.Include > 0 && (p-1)%s.costs.Include == 0 {
			return true
		}
	}
	return false
}

// hold keeps a worker in a stage.
func (s *simulation) hold(stage stage, seconds float64, then func()) {
	s.result.Spent[stage] += seconds
	s.after(seconds, then)
}

// spend notes that a worker was in a stage until now.
func (s *simulation) spend(stage stage, began float64) { s.result.Spent[stage] += s.now - began }

// send keeps a worker until a transfer has arrived.
func (s *simulation) send(mb float64, then func()) {
	began := s.now
	s.link.send(mb, func() {
		s.spend(transfers, began)
		then()
	})
}

// get goes on when a thing is there. Whoever does not make it waits.
func (s *simulation) get(t *thing, produce func(done func()), then func()) {
	if !t.begun {
		t.want(produce, then)
		return
	}
	began := s.now
	t.want(produce, func() {
		s.spend(waiting, began)
		then()
	})
}

// entry returns the value of a key, which it adds if there is none.
func entry[K comparable, V any](all map[K]*V, key K) *V {
	if all[key] == nil {
		all[key] = new(V)
	}
	return all[key]
}
