return { address = "127.0.0.1:3307" }
