{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"824a355bd3428e8cff44b7cf9265778aa9fb2890c993e42d5db62e14e6c55392"},"tlogEntries":[]}}
