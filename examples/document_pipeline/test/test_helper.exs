Mix.Task.run("plugins.compile")
ExUnit.start()
