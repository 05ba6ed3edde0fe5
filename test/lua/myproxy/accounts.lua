return { anna = "known" }
