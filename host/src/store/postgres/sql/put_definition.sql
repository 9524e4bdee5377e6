INSERT INTO definitions (workflow, version, name, description, document, created_at)
VALUES ($1, $2, $3, $4, $5, $6);
