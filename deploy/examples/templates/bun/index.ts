console.log("hello from bun");
