//! A server on this machine with prepared answers.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// Answers a connection after its request has been read.
pub type Answer = Box<dyn FnOnce(&mut TcpStream) + Send>;

/// Starts a server that gives each connection the next answer. Returns its address, and its requests as they arrive.
pub fn serve(answers: Vec<Answer>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/archive", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).unwrap() > 0 {}
            let _ = sender.send(request.to_lowercase());
            thread::spawn(move || answer(&mut stream));
        }
    });
    (url, requests)
}

/// Sends a head and a body. Errors are ignored: the client may disconnect.
pub fn reply(status: &str, headers: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
    let body = body.to_vec();
    Box::new(move |stream| {
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    })
}

pub fn whole(body: &[u8]) -> Answer {
    reply("200 OK", &format!("Content-Length: {}\r\nETag: \"one\"\r\n", body.len()), body)
}

/// The first `sent` bytes of a file, then a closed connection.
pub fn cut(body: &[u8], sent: usize) -> Answer {
    reply("200 OK", &format!("Content-Length: {}\r\nETag: \"one\"\r\n", body.len()), &body[..sent])
}

pub fn rest(body: &[u8], from: usize) -> Answer {
    let range = format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len());
    reply(
        "206 Partial Content",
        &format!("Content-Length: {}\r\nETag: \"one\"\r\n{range}", body.len() - from),
        &body[from..],
    )
}
