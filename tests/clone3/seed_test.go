package clone3

// randomSeed is the number from which the calls of TestRandomCalls follow. With 0
// each run takes one of its own, which it prints: to have its calls again, write
// that here and run
//
//	make vmtest RUN=TestRandomCalls
const randomSeed uint64 = 0
