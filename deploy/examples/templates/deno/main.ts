console.log("hello from deno");
