;; spinner: never ends. It imports nothing, so nothing but its time limit can stop it.
(module
  (memory (export "memory") 1)
  (func (export "_start") (loop $forever (br $forever))))
